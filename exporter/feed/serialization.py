"""Dataclasses as JSON and back, by their annotations alone: a field that is declared is sent, received and described.

What an annotation does not say, its :class:`~tracer.report.snapshot.Meaning` does: a time is an RFC 3339 string. A
library would do it too, and costs more than these few lines: cattrs takes 125 ms to import, in every command, and 2 MB;
msgspec has a wheel for each architecture, and our package is for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from exporter.escape import valid_text
from tracer.kernel.health import ProbeHealth
from tracer.report.snapshot import Meaning

__all__ = ["Key", "decode", "encode", "keys_of", "rfc3339"]

_T = TypeVar("_T")
_Convert = Callable[[Any], Any]

_NANOSECONDS = 1_000_000_000
_EPOCH = datetime.fromtimestamp(0, UTC)


class Key(NamedTuple):
    """One key of an object in JSON: a field, or a property, which follows from the fields."""

    name: str
    attribute: str
    annotation: Any
    is_field: bool
    is_required: bool

    @property
    def allows_none(self) -> bool:
        """Whether it may be null."""
        return NoneType in get_args(self.annotation)


@cache
def keys_of(kind: Any) -> tuple[Key, ...]:
    """Return the keys of a dataclass: its fields in order, then its properties."""
    hints = get_type_hints(kind, include_extras=True)
    own = [
        Key(
            str(one.metadata.get("key", one.name)),
            one.name,
            hints[one.name],
            is_field=True,
            is_required=one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(kind)
        if one.metadata.get("json", True)
    ]
    derived = [
        Key(name, name, get_type_hints(one.fget, include_extras=True)["return"], is_field=False, is_required=False)
        for name, one in vars(kind).items()
        if isinstance(one, property)
    ]
    return (*own, *derived)


def encode(value: object) -> Any:
    """Return a dataclass as an object of JSON; every string in it can be encoded as UTF-8."""
    kind: Any = type(value)
    return _encode_object(kind)(value)


def decode(kind: type[_T], data: object) -> _T:
    """Return the dataclass that :func:`encode` made ``data`` of; keys that it does not know are left out.

    Raises ValueError if something is missing, or is of another form.
    """
    try:
        return cast("_T", _decode_object(cast("Any", kind))(data))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def rfc3339(nanoseconds: int) -> str:
    """Return a time since the Unix epoch as RFC 3339 UTC with six sub-second digits (truncated)."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest // 1000:06d}Z"


def _nanoseconds(text: str) -> int:
    since = datetime.fromisoformat(text) - _EPOCH
    return (since.days * 86400 + since.seconds) * _NANOSECONDS + since.microseconds * 1000


@cache
def _encoder(annotation: Any) -> _Convert | None:
    """Return what makes JSON of such a value; None if it is JSON already."""
    return _converter(annotation, _ENCODERS, _encode_object, _encoder)


@cache
def _decoder(annotation: Any) -> _Convert | None:
    return _converter(annotation, _DECODERS, _decode_object, _decoder)


def _converter(
    annotation: Any,
    plain: Mapping[Any, _Convert],
    of_object: Callable[[type], _Convert],
    of_inner: Callable[[Any], _Convert | None],
) -> _Convert | None:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain.get(args[1])
    if origin in {Union, UnionType}:
        (inner,) = (one for one in args if one is not NoneType)  # of X | None: None stays as it is
        return of_inner(inner)
    if origin is tuple:
        each = of_inner(args[0])
        sequence = list if plain is _ENCODERS else tuple
        return (lambda values: sequence(map(each, values))) if each else sequence
    if is_dataclass(annotation):
        return of_object(cast("type", annotation))
    if origin is None and issubclass(annotation, Enum):
        return plain.get(Enum, cast("_Convert", annotation))
    return plain.get(origin or annotation)


@cache
def _encode_object(kind: Any) -> _Convert:
    keys = keys_of(kind)
    take = attrgetter(*(key.attribute for key in keys))
    names = [key.name for key in keys]
    converted = [(key.name, convert) for key in keys if (convert := _encoder(key.annotation))]

    def encode_one(value: object) -> dict[str, Any]:
        form = dict(zip(names, take(value), strict=True))
        for name, convert in converted:
            if form[name] is not None:
                form[name] = convert(form[name])
        return form

    return encode_one


@cache
def _decode_object(kind: Any) -> _Convert:
    own = [key for key in keys_of(kind) if key.is_field]
    parts = [(key.attribute, key.name, key.is_required, key.allows_none, _decoder(key.annotation)) for key in own]

    def decode_one(data: dict[str, Any]) -> object:
        values = {}
        for attribute, name, is_required, allows_none, convert in parts:
            if not is_required and name not in data:
                continue
            inner = data[name]
            if inner is None and not allows_none:
                raise ValueError(f"{kind.__name__}: {name} is null")
            values[attribute] = convert(inner) if convert and inner is not None else inner
        return kind(**values)

    return decode_one


def _value(value: Enum) -> object:
    return value.value


def _attached(probes: tuple[ProbeHealth, ...]) -> dict[str, bool]:
    return {probe.name: probe.attached for probe in probes}


def _probes(attached: Mapping[str, bool]) -> tuple[ProbeHealth, ...]:
    return tuple(ProbeHealth(name, value) for name, value in attached.items())


# Addresses and the like are made by us: only what a process chose may have a byte that is no UTF-8.
_ENCODERS: dict[Any, _Convert] = {
    Meaning.TIME: rfc3339,
    Meaning.ATTACHED: _attached,
    Enum: _value,
    Mapping: dict,
    str: valid_text,
}
_DECODERS: dict[Any, _Convert] = {Meaning.TIME: _nanoseconds, Meaning.ATTACHED: _probes}
