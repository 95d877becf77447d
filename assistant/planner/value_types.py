"""What a fact or a parameter may be, read from the annotations of the tools' own models."""

import types
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tools.records import Window

_SCALARS: dict[Any, str] = {bool: "bool", int: "int", float: "number", str: "text"}
_NUMBERS = {"int", "number"}


@dataclass(frozen=True)
class ValueType:
    """The kinds a value may be of, and its possible values where they are listed. No kinds means anything."""

    kinds: frozenset[str]
    options: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        if self.options is not None:
            return "one of " + ", ".join(str(option) for option in self.options)
        return " or ".join(sorted(self.kinds)) or "anything"

    @property
    def is_number(self) -> bool:
        """Whether it can be compared with above and below."""
        return not self.kinds or bool(self.kinds & _NUMBERS)

    def may_be(self, other: "ValueType") -> bool:
        """Whether some value is of both types; an int is a number too."""
        if not self.kinds or not other.kinds:
            return True
        if self.options is not None and other.options is not None:
            return any(option in other.options for option in self.options)
        return bool(self.kinds & other.kinds) or bool(self.kinds & _NUMBERS and other.kinds & _NUMBERS)


ANYTHING = ValueType(frozenset())


def of_annotation(annotation: Any) -> ValueType:
    """The type of a field of a pydantic model; `None` in a union is left out, because any fact may be unknown."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return of_annotation(get_args(annotation)[0])
    if origin is Literal:
        return _of_options(tuple(option for option in get_args(annotation) if option is not None))
    if origin in (Union, types.UnionType):
        return _union([of_annotation(part) for part in get_args(annotation) if part is not type(None)])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _of_options(tuple(member.value for member in annotation))
    if annotation is Window:
        return ValueType(frozenset({"window"}))
    return ValueType(frozenset({_SCALARS[annotation]})) if annotation in _SCALARS else ANYTHING


def of_value(value: Any) -> ValueType:
    """The type of a literal in a playbook."""
    return ValueType(frozenset({_SCALARS[type(value)]}), (value,)) if type(value) in _SCALARS else ANYTHING


def refusal(field: FieldInfo, value: Any) -> str | None:
    """Why a literal cannot be the value of a field, or None where it can."""
    try:
        annotation: Any = Annotated[field.annotation, field]
        TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None


def _of_options(options: tuple[Any, ...]) -> ValueType:
    return ValueType(frozenset(_SCALARS[type(option)] for option in options), options)


def _union(parts: list[ValueType]) -> ValueType:
    if any(not part.kinds for part in parts):
        return ANYTHING
    kinds = frozenset(kind for part in parts for kind in part.kinds)
    if any(part.options is None for part in parts):
        return ValueType(kinds)
    return ValueType(kinds, tuple(option for part in parts for option in part.options or ()))
