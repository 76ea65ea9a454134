"""What all structs of the configuration share."""

import msgspec


class ConfigStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Common options: immutable, camelCase on the wire, defaults left out."""
