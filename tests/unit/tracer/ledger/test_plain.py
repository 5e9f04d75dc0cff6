"""JSON of plain values and back, every value checked against its declared type."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.ledger.plain import dump, load, structure


class Colour(StrEnum):
    """Of two."""

    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    """A named tuple, whose last value may be left out."""

    x: int
    y: int | None = None


@dataclass(frozen=True)
class Whole:
    """One of each type."""

    number: int
    text: str | None
    flag: bool
    seconds: float
    data: bytes
    colour: Colour
    point: Point
    points: tuple[Point, ...] = ()
    names: frozenset[str] = frozenset()
    by_name: dict[str, int] = field(default_factory=dict)
    inner: list[Point] = field(default_factory=list)


wholes = st.builds(
    Whole,
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.sampled_from(Colour),
    st.builds(Point, st.integers(0, 9), st.none() | st.integers(0, 9)),
    st.lists(st.builds(Point, st.integers(0, 9), st.none())).map(tuple),
    st.frozensets(st.text()),
    st.dictionaries(st.text(), st.integers(0, 9)),
    st.lists(st.builds(Point, st.integers(0, 9), st.none())),
)
EXAMPLE: dict[str, Any] = {
    "number": 1,
    "text": None,
    "flag": True,
    "seconds": 1,
    "data": "00ff",
    "colour": "red",
    "point": [1],
}


@given(wholes)
def test_what_was_written_is_read_again(whole: Whole) -> None:
    """On one line, whatever it holds."""
    text = dump(whole)
    assert "\n" not in text
    assert load(Whole, text) == whole


def test_what_is_left_out_has_its_default() -> None:
    """A field that a newer release added."""
    assert structure(Whole, EXAMPLE) == Whole(1, None, True, 1.0, b"\x00\xff", Colour.RED, Point(1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", True),
        ("number", 1.0),
        ("number", None),
        ("number", 2**65),
        ("text", 1),
        ("flag", 1),
        ("seconds", "1"),
        ("seconds", True),
        ("data", "0"),
        ("data", "zz"),
        ("colour", "green"),
        ("colour", []),
        ("point", {"x": 1}),
        ("point", []),
        ("point", [1, 2, 3]),
        ("points", [[1], 1]),
        ("names", "abc"),
        ("by_name", []),
        ("by_name", {"a": "b"}),
        ("unknown", 1),
    ],
)
def test_what_does_not_conform_is_refused(name: str, value: object) -> None:
    """A file is no reason to fail later."""
    with pytest.raises((ValueError, TypeError)):
        structure(Whole, {**EXAMPLE, name: value})


def test_a_field_that_is_missing_is_refused() -> None:
    """One that has no default."""
    with pytest.raises((ValueError, TypeError)):
        structure(Whole, {name: value for name, value in EXAMPLE.items() if name != "number"})
