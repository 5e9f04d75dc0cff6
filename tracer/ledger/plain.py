"""JSON of dataclasses and named tuples, and back, with every value checked against its declared type.

A dataclass is an object without the fields that have their default, a named tuple an array, a dictionary with other
keys than strings an array of [key, value].
What does not conform raises ValueError: a file is no reason to fail later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

UNSAVED = {"saved": False}
"""Metadata of a dataclass's field that follows from others, or is of no use later: :func:`dump` leaves it out."""
_INT64 = 2**63
_T = TypeVar("_T")


def dump(value: object) -> str:
    """Write a value as one line of JSON."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset):
        return sorted(value)
    plain = {}
    for name, is_table, default in _dumped(value.__class__):
        one = getattr(value, name)
        if one != default:
            plain[name] = list(one.items()) if is_table else one
    return plain


def shared(kind: Any, one: object) -> dict[str, Any]:
    """Give the fields that a dataclass declares, of one that is derived from it: for another that is."""
    return {each.name: getattr(one, each.name) for each in fields(kind)}


def load(kind: type[_T], text: str | bytes) -> _T:
    """Read a value of this type. Raises ValueError."""
    return structure(kind, json.loads(text))


def structure(kind: type[_T], value: Any) -> _T:
    """Make a value of this type of what JSON gave. Raises ValueError."""
    return cast("_T", _structure(kind, value))


def _structure(kind: Any, value: Any) -> Any:  # noqa: PLR0911 - a kind of type is a case
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return None if value is None and NoneType in arguments else _structure(_other_than_none(arguments), value)
    if kind is bytes:
        return bytes.fromhex(_checked(str, value))
    if kind in {int, str, bool}:
        return _checked(kind, value)
    if kind is float:
        return float(_checked(int, value) if type(value) is int else _checked(float, value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if origin in {dict, Mapping}:
        items = _checked(list, value) if _is_table(kind) else _items(value)
        return {_structure(arguments[0], key): _structure(arguments[1], one) for key, one in items}
    if origin in {list, frozenset} or (origin is tuple and arguments[-1] is Ellipsis):
        return origin(_structure(arguments[0], one) for one in _checked(list, value))
    if origin is tuple:
        return tuple(map(_structure, arguments, _of_length(len(arguments), value)))
    return _record(kind, value)


def _record(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        hints, given = _saved(cast("Any", kind)), dict(_items(value))
        if unknown := given.keys() - hints.keys():
            raise ValueError(f"{kind!r} has no {min(unknown)}")
        return cast("Any", kind)(**{name: _structure(hints[name], one) for name, one in given.items()})
    hints = _hints(kind)
    if len(_checked(list, value)) > len(hints):
        raise ValueError(f"too many values for {kind!r}")
    return kind(*(_structure(hint, one) for hint, one in zip(hints.values(), value, strict=False)))


def _checked(kind: type[_T], value: Any) -> _T:
    if type(value) is not kind or (isinstance(value, int) and not -_INT64 <= value < 2 * _INT64):
        raise ValueError(f"{value!r:.40} is no {kind.__name__}")
    return value


def _of_length(length: int, value: Any) -> Any:
    if len(_checked(list, value)) != length:
        raise ValueError(f"{len(value)} values in the place of {length}")
    return value


@cache
def _is_table(kind: Any) -> bool:
    """Tell whether it is a dictionary with keys that JSON has not."""
    return get_origin(kind) is dict and get_args(kind)[0] is not str


def _items(value: Any) -> Any:
    return _checked(dict, value).items()


def _other_than_none(arguments: tuple[Any, ...]) -> Any:
    return next(one for one in arguments if one is not NoneType)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _dumped(kind: Any) -> list[tuple[str, bool, Any]]:
    """Give the fields of a dataclass that are saved: the name, whether it is a table, and the default if it has one."""
    hints, defaults = _saved(kind), {one.name: _default(one) for one in fields(kind)}
    return [(name, _is_table(hint), defaults[name]) for name, hint in hints.items()]


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@cache
def _saved(kind: Any) -> dict[str, Any]:
    """Give the fields of a dataclass that are saved, with their types."""
    hints = _hints(kind)
    return {one.name: hints[one.name] for one in fields(kind) if one.metadata.get("saved", True)}
