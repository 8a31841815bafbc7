"""Type hints as JSON Schemas for the model, and as checks of what it sends."""

import dataclasses
import enum
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

#: Characters of a wrong value or name that an error repeats: enough to recognise it.
SHOWN = 40

#: Types that nest deeper than this contain themselves, and a schema written in place would never end.
MAX_DEPTH = 32

NO_DEFAULT: Any = dataclasses.MISSING


@dataclass(frozen=True)
class Arg:
    """What a hint alone does not say: `Annotated[int, Arg("Number of days", min=1, max=14)]`.

    `min` and `max` bound a number, the characters of a text, the items of a list. Where there is nothing but a
    description, a text does: `Annotated[str, "Name of the city"]`.
    """

    description: str | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None


class Misfit(Exception):
    """What a check found wrong: where, within the argument, and why."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.path = path


def shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"a {_kind(value)} of {len(text)} characters"


def _kind(value: object) -> str:
    return "string" if isinstance(value, str) else "number"


def must_be(what: str, value: object) -> Misfit:
    return Misfit(f"must be {what}, not {shown(value)}")


class Type:
    """A kind of value: its schema, and `read`, which gives the value as a tool gets it, or raises `Misfit`."""

    def __init__(self, keywords: dict[str, Any], read: typing.Callable[[Any], Any]) -> None:
        self.keywords = keywords
        self.read = read


def of(hint: Any, depth: int = 0) -> Type:
    """The type of a hint.

    Raises `TypeError` for hints that say nothing to a model.
    """
    if depth > MAX_DEPTH:
        raise TypeError("a type that contains itself has no finite JSON Schema")
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _described(of(parts[0], depth), parts[1:])
    if origin in (Union, types.UnionType):
        return _optional(hint, parts, depth)
    if origin is Literal:
        return _choice(list(parts), lambda value: value)
    if origin is list or hint is list:
        return _list(of(parts[0] if parts else Any, depth + 1))
    if origin is dict or hint is dict:
        if parts and parts[0] is not str:
            raise TypeError(f"the keys of `{hint}` are not `str`, and those of JSON are")
        return _dict(of(parts[1] if parts else Any, depth + 1))
    if hint is Any:
        return Type({}, lambda value: value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice([member.value for member in hint], hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, depth)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    raise TypeError(f"`{hint}` has no JSON Schema: use `str`, `int`, `float`, `bool`, `list`, `dict`, an enum, a dataclass")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise must_be("a string", value)
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise must_be("true or false", value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise must_be("a number", value)
    try:
        number = float(value)
    except OverflowError:
        raise must_be("a number", value) from None
    if not math.isfinite(number):
        raise Misfit("must be a number, not one without end")
    return number


def _integer(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise must_be("an integer", value)
    return value


_SIMPLE = {
    str: Type({"type": "string"}, _text),
    bool: Type({"type": "boolean"}, _boolean),
    float: Type({"type": "number"}, _number),
    int: Type({"type": "integer"}, _integer),
}

_BOUNDS = {
    "string": ("minLength", "maxLength", len, "character"),
    "array": ("minItems", "maxItems", len, "item"),
    "number": ("minimum", "maximum", lambda value: value, ""),
    "integer": ("minimum", "maximum", lambda value: value, ""),
}


def _described(inner: Type, more: tuple[Any, ...]) -> Type:
    for said in more:
        if isinstance(said, str):
            said = Arg(said)
        if isinstance(said, Arg):
            inner = _with(inner, said)
    return inner


def _with(inner: Type, arg: Arg) -> Type:
    keywords, read = dict(inner.keywords), inner.read
    if arg.description is not None:
        keywords = {"description": arg.description, **keywords}
    kind = keywords.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if arg.min is not None or arg.max is not None:
        if kind not in _BOUNDS or "enum" in keywords:
            raise TypeError("`min` and `max` apply to numbers, texts and lists")
        lower, upper, measure, unit = _BOUNDS[kind]
        keywords |= {name: bound for name, bound in ((lower, arg.min), (upper, arg.max)) if bound is not None}
        read = _bounded(read, arg, measure, unit)
    if arg.pattern is not None:
        if kind != "string":
            raise TypeError("`pattern` applies to texts")
        keywords["pattern"] = arg.pattern
        read = _matching(read, re.compile(arg.pattern))
    return Type(keywords, read)


def _bounded(read: Any, arg: Arg, measure: Any, unit: str) -> Any:
    def bounded(value: Any) -> Any:
        value = read(value)
        if value is None:
            return None
        size = measure(value)
        for relation, bound, passed in (("least", arg.min, size < (arg.min or 0)), ("most", arg.max, size > (arg.max or 0))):
            if bound is not None and passed:
                counted = "" if unit == "" else f" {unit}" if bound == 1 else f" {unit}s"
                raise Misfit(f"must {'have' if unit else 'be'} at {relation} {bound}{counted}, not {size}")
        return value

    return bounded


def _matching(read: Any, pattern: re.Pattern[str]) -> Any:
    def matching(value: Any) -> Any:
        value = read(value)
        if value is not None and not pattern.search(value):
            raise Misfit(f"must match the pattern `{pattern.pattern}`, not {shown(value)}")
        return value

    return matching


def _optional(hint: Any, parts: tuple[Any, ...], depth: int) -> Type:
    inner = [part for part in parts if part is not type(None)]
    if len(inner) != 1 or len(inner) == len(parts):
        raise TypeError(f"`{hint}` is one of several types: only `None` and one other have a place in a schema")
    base = of(inner[0], depth)
    keywords = dict(base.keywords)
    if isinstance(keywords.get("type"), str):
        keywords["type"] = [keywords["type"], "null"]
    if "enum" in keywords:
        keywords["enum"] = [*keywords["enum"], None]
    return Type(keywords, lambda value: None if value is None else base.read(value))


def _choice(values: list[Any], make: Any) -> Type:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("the values of an enum, or of `Literal`, are texts")
    known = ", ".join(f"`{value}`" for value in values)

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in values:
            raise must_be(f"one of {known}", value)
        return make(value)

    return Type({"type": "string", "enum": values}, read)


def _list(items: Type) -> Type:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise must_be("an array", value)
        return [_within(f"[{index}]", items, item) for index, item in enumerate(value)]

    return Type({"type": "array", "items": items.keywords}, read)


def _dict(values: Type) -> Type:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise must_be("an object", value)
        return {key: _within(f".{key}", values, item) for key, item in value.items()}

    return Type({"type": "object", "additionalProperties": values.keywords}, read)


def _within(segment: str, inner: Type, value: Any) -> Any:
    try:
        return inner.read(value)
    except Misfit as misfit:
        raise Misfit(str(misfit), segment + misfit.path) from None


@dataclass
class Field:
    """One field of an object; `default` gives a new value each time."""

    name: str
    type: Type
    default: Any = NO_DEFAULT


def closed(fields: list[Field], prefix: str) -> Type:
    """An object with these fields, and no others; `prefix` is what comes before a field's name in a path."""
    known = {field.name: field for field in fields}

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise must_be("an object", value)
        for name in value:
            if name not in known:
                there = f"there are `{'`, `'.join(known)}`" if known else "there is none"
                raise Misfit(f"has no `{name[:SHOWN]}`: {there}")
        values = {}
        for name, field in known.items():
            # A default stands for null as well, which models send for what they leave out.
            nullable = isinstance(field.type.keywords.get("type"), list)
            if name in value and (value[name] is not None or nullable or field.default is NO_DEFAULT):
                values[name] = _within(prefix + name, field.type, value[name])
            elif field.default is NO_DEFAULT:
                raise Misfit("is missing", prefix + name)
            else:
                values[name] = field.default()
        return values

    required = [field.name for field in fields if field.default is NO_DEFAULT]
    properties = {field.name: _property(field) for field in fields}
    keywords = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Type(keywords, read)


def _property(field: Field) -> dict[str, Any]:
    default = None if field.default is NO_DEFAULT else field.default()
    return field.type.keywords if default is None else {**field.type.keywords, "default": plain(default)}


def _dataclass(cls: Any, depth: int) -> Type:
    hints = typing.get_type_hints(cls, include_extras=True)

    def default(field: dataclasses.Field[Any]) -> Any:
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory
        return NO_DEFAULT if field.default is dataclasses.MISSING else lambda: field.default

    fields = [Field(field.name, of(hints[field.name], depth + 1), default(field)) for field in dataclasses.fields(cls)]
    inner = closed(fields, ".")
    return Type(inner.keywords, lambda value: cls(**inner.read(value)))


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, enums as their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def parse(text: str | bytes) -> Any:
    """JSON, and nothing that Python takes for it as well."""

    def refuse(name: str) -> Any:
        raise ValueError(f"`{name}` is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def to_json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
