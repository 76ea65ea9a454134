"""What puts labels on queries."""

import msgspec

from signalbox.routing.config.base import ConfigStruct


class Trained(ConfigStruct, tag="trained", frozen=True):
    """A model that was learned; ``model`` is its artefact, empty as long as there is none: then the default holds."""

    model: bytes = b""


class Llm(ConfigStruct, tag="llm", frozen=True):
    """A target that is asked for the label. An empty prompt means the router's own; ``descriptions`` go by label."""

    target: str
    prompt: str = ""
    descriptions: dict[str, str] = msgspec.field(default_factory=dict)


class Http(ConfigStruct, tag="http", frozen=True):
    """A service that is asked for the label: a path of an entry in ``RouterConfig.services``."""

    service: str
    path: str


class Classifier(ConfigStruct, frozen=True):
    """What puts a label on a query. Below ``min_confidence_percent``, and when it fails, ``default`` holds."""

    name: str
    labels: tuple[str, ...]
    default: str
    source: Trained | Llm | Http
    timeout_ms: int = 2_000
    min_confidence_percent: int = 0
