"""What the operator itself adds to the children."""

import msgspec


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Where routers find the control stream: its URL, and the authorities (PEM) that may sign its certificate."""

    url: str
    ca: str


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The routers' image, the control stream if there is one, and networks that routers may reach beside the usual."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    control: Control | None = None
    allow_cidrs: tuple[str, ...] = ()
