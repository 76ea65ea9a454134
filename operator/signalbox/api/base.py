"""What all models of the API share."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from signalbox.api.rules import Rule, check, refusal


class ApiModel(BaseModel):
    """An object of the API: camelCase outside, snake_case inside, immutable, unknown fields refused.

    Types are strict as in the API server: ``"5"`` is no integer and ``5`` no string. The docstring under a field is
    its description in ``kubectl explain``. A default here is a ``default:`` in the CRD; what the planner fills in
    because it depends on another field or lies below a list item is ``None`` here, and a property gives its value.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, data: Any) -> Any:
        """``field:`` with nothing behind it is a mistake, as it is to the API server."""
        empty = [key for key, value in data.items() if value is None] if isinstance(data, dict) else []
        if empty:
            raise refusal(cls.__name__, [((key,), "is empty: give it a value or remove it") for key in empty], data)
        return data

    @model_validator(mode="after")
    def _meets_rules(self) -> Self:
        if self.rules:
            check(self.rules, self, type(self).__name__)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        if cls.rules:
            handler.resolve_ref_schema(result)["x-kubernetes-validations"] = [rule.schema() for rule in cls.rules]
        return result
