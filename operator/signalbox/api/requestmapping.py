"""What a backend wants changed in a request: headers, query, and fields of the body."""

from typing import Annotated, ClassVar

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.rules import ListOf, Rule, Rules, cel_list

OWNED_HEADERS = (
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
"""Headers that describe the connection or the body: the router writes them itself."""

CREDENTIAL_HEADERS = ("authorization", "api-key", "x-api-key")

ROUTING_FIELDS = (
    "input",
    "instructions",
    "messages",
    "model",
    "n",
    "previous_response_id",
    "prompt",
    "stream",
    "stream_options",
)
"""Fields of a request that the router reads or writes: renamed or removed, routing or the answer would break."""


HeaderName = Annotated[
    str,
    Field(min_length=1, max_length=64),
    Rules(
        Rule(
            r"self.matches('^[A-Za-z0-9!#$%&*+.^_`|~-]+$')",
            "must be the name of a header: letters, digits and -, without colon or space",
        ),
        Rule(
            f"!(self.lowerAscii() in {cel_list(OWNED_HEADERS)})",
            f"the router sets this header itself ({', '.join(OWNED_HEADERS)}): remove it",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!self.lowerAscii().startsWith('x-signalbox-')",
            "headers x-signalbox-* never go to a backend: choose another name",
            reason="FieldValueForbidden",
        ),
    ),
]
"""A header that a backend may be sent; Authorization is one, for ``auth.apiKey``."""

PlainHeaderName = Annotated[
    HeaderName,
    Rules(
        Rule(
            f"!(self.lowerAscii() in {cel_list(CREDENTIAL_HEADERS)})",
            "credentials do not belong here: put the key into a Secret and name it in auth.apiKey",
            reason="FieldValueForbidden",
        ),
    ),
]

BodyField = Annotated[
    str,
    Field(min_length=1, max_length=64),
    Rules(
        Rule("self.matches('^[A-Za-z_][A-Za-z0-9_.-]*$')", "must be the name of a field of the request's JSON object"),
        Rule(
            f"!(self in {cel_list(ROUTING_FIELDS)})",
            f"the router needs this field ({', '.join(ROUTING_FIELDS)}): it cannot be renamed, replaced or removed",
            reason="FieldValueForbidden",
        ),
    ),
]


class Header(ApiModel):
    """A header with a fixed value."""

    name: PlainHeaderName
    """Name of the header, such as OpenAI-Organization."""
    value: Annotated[
        str,
        Field(max_length=1024),
        Rules(
            Rule(
                "self.matches('^([!-~]([ -~]*[!-~])?)?$')",
                "must be printable ASCII, without a space at either end",
            )
        ),
    ]
    """Its value. Not for credentials: those go into auth.apiKey."""


class QueryParameter(ApiModel):
    """A parameter of the query with a fixed value."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=64),
        Rules(Rule("self.matches('^[A-Za-z0-9._~-]+$')", "must be letters, digits, -, ., _ or ~")),
    ]
    """Name of the parameter, such as api-version."""
    value: Annotated[
        str,
        Field(max_length=1024),
        Rules(Rule("self.matches('^[^[:cntrl:]]*$')", "must not contain control characters")),
    ]
    """Its value, as it is: it is percent-encoded on the way."""


class RequestMapping(ApiModel):
    """Changes to a request. Fields of the body are renamed first, then removed."""

    headers: (
        Annotated[
            list[Header],
            Field(max_length=16),
            ListOf("map"),
            Rules(
                Rule(
                    "self.all(h, self.exists_one(o, o.name.lowerAscii() == h.name.lowerAscii()))",
                    "names one header twice (upper and lower case are the same): remove one",
                )
            ),
        ]
        | None
    ) = None
    """Headers to add; they replace a header of the same name."""
    query: Annotated[list[QueryParameter], Field(max_length=16), ListOf("map")] | None = None
    """Parameters to add to the query of the URL."""
    rename: (
        Annotated[
            dict[str, BodyField],
            Field(max_length=16),
            Rules(
                Rule(
                    "self.all(k, k.size() > 0 && k.size() <= 64)",
                    "has a name that is empty or longer than 64 characters: shorten it",
                ),
                Rule(
                    f"!{cel_list(ROUTING_FIELDS)}.exists(f, f in self)",
                    f"the router needs these fields ({', '.join(ROUTING_FIELDS)}): they cannot be renamed",
                    reason="FieldValueForbidden",
                ),
                Rule(
                    "self.all(k, !(self[k] in self))",
                    "renames to a name that is itself renamed: write each rename as one step",
                ),
                Rule(
                    "self.all(k, self.exists_one(o, self[o] == self[k]))",
                    "renames two fields to one name: remove one",
                ),
            ),
        ]
        | None
    ) = None
    """Fields of the request's JSON object to rename: old name to new, such as max_tokens: max_completion_tokens."""
    remove: Annotated[list[BodyField], Field(max_length=32), ListOf("set")] | None = None
    """Fields of the request's JSON object that this backend does not understand, such as top_k."""

    rules: ClassVar = (
        Rule(
            "!has(self.rename) || !has(self.remove) || "
            "self.remove.all(f, !(f in self.rename) && !self.rename.exists(k, self.rename[k] == f))",
            "removes a field that rename has as its old or new name: keep it in one of the two",
            field="remove",
        ),
    )
