"""JSON of plain values and back, every value checked against its declared type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.ledger.plain import UNSAVED, dump, load, shared, structure


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
    place: tuple[int, Colour] = (0, Colour.RED)
    by_point: dict[Point, str] = field(default_factory=dict)
    by_place: dict[tuple[int, Colour], Point] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)
    derived: int = field(default=0, metadata=UNSAVED)


@dataclass
class Base:
    """What is declared once."""

    number: int


@dataclass
class Record(Base):
    """With something of its own."""

    name: str


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
    st.tuples(st.integers(0, 9), st.sampled_from(Colour)),
    st.dictionaries(st.builds(Point, st.integers(0, 9), st.none() | st.integers(0, 9)), st.text()),
    st.dictionaries(
        st.tuples(st.integers(0, 9), st.sampled_from(Colour)), st.builds(Point, st.integers(0, 9), st.none())
    ),
    st.dictionaries(st.text(), st.integers(0, 9)),
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
        ("place", [1]),
        ("place", [1, "red", 2]),
        ("by_point", {}),
        ("by_point", [[[1]]]),
        ("by_point", [[[1], "x", "y"]]),
        ("by_point", [["x", "y"]]),
        ("by_place", [[[1, "green"], [1]]]),
        ("constants", []),
        ("derived", 1),
        ("unknown", 1),
    ],
)
def test_what_does_not_conform_is_refused(name: str, value: object) -> None:
    """A file is no reason to fail later."""
    with pytest.raises((ValueError, TypeError)):
        structure(Whole, {**EXAMPLE, name: value})


def test_what_is_not_saved_is_left_out() -> None:
    """It has its default when it is read again."""
    whole = replace(structure(Whole, EXAMPLE), derived=7)
    assert load(Whole, dump(whole)) == replace(whole, derived=0)


def test_what_is_derived_shares_the_fields_that_are_declared_once() -> None:
    """For another of the same kind."""
    thin = shared(Base, Record(3, name="x"))
    assert thin == {"number": 3}
    assert Record(**thin, name="y") == Record(3, name="y")


def test_a_field_that_is_missing_is_refused() -> None:
    """One that has no default."""
    with pytest.raises((ValueError, TypeError)):
        structure(Whole, {name: value for name, value in EXAMPLE.items() if name != "number"})
