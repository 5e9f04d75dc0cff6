"""Whether a value read from outside is what its type says, all the way down: dataclasses take anything."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_INT64 = 2**63


def conforms(value: object, kind: Any) -> bool:  # noqa: PLR0911 - a kind of type is a case
    """Whether a value has a type, and whatever it holds has the types declared for that.

    Knows dataclasses, named tuples, tuples, lists, dicts, unions and plain classes. Integers have 64 bits, as times do.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return any(conforms(value, one) for one in arguments)
    if kind in {None, NoneType}:
        return value is None
    if kind is int:
        return type(value) is int and -_INT64 <= value < _INT64
    if not isinstance(value, origin or kind):
        return False
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(conforms, value, arguments))
    if origin in {tuple, list}:
        return all(conforms(one, arguments[0]) for one in value)
    if origin is dict:
        return all(conforms(key, arguments[0]) and conforms(one, arguments[1]) for key, one in value.items())
    return all(conforms(getattr(value, name), hint) for name, hint in _fields(kind))


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    is_record = is_dataclass(kind) or hasattr(kind, "_fields")
    return tuple(get_type_hints(kind).items()) if is_record else ()
