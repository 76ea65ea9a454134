"""The parts of an object that all kinds of Kubernetes have."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from signalbox.api.base import ApiModel
from signalbox.api.rules import ListOf

GROUP = "signalbox.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class ObjectMeta(BaseModel):
    """What Signalbox reads of ``metadata``; the API server defines the rest."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_alias=True, extra="ignore", frozen=True)

    name: str = Field(min_length=1, max_length=253)
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class StatusModel(ApiModel):
    """Status is written by Signalbox; a reader ignores what a newer version wrote."""

    model_config = ConfigDict(extra="ignore")


# Of an object that no operator has seen yet, by the API server's default: whoever waits compares generations, and would
# take an object without any status for one that is as it should be.
UNSEEN = -1
ObservedGeneration = Annotated[int, Field(ge=UNSEEN)]


class Condition(StatusModel):
    """One aspect of the object's state, as Kubernetes' own kinds report it."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What is reported, such as Accepted, ResolvedRefs, Programmed or Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The metadata.generation that this condition was computed from."""
    last_transition_time: Annotated[datetime, Field(strict=False)]
    """When status last changed from one value to another."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, for people, with the field and the fix."""


Conditions = Annotated[list[Condition], Field(max_length=16), ListOf("map", "type")]
