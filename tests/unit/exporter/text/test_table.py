"""Columns, however wide their characters."""

from __future__ import annotations

import pytest

from exporter.text.table import Column, lay_out, width_of


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("名前", 4), ("e\u0301", 1), ("…", 1), ("", 0)])
def test_a_character_takes_the_places_that_a_terminal_gives_it(text: str, width: int) -> None:
    """Two for a wide one, none for a mark over another."""
    assert width_of(text) == width


def test_wide_characters_keep_the_columns_straight() -> None:
    """And are cut whole."""
    assert lay_out([Column("A", least=3), Column("B")], [["名前名前", "x"], ["abcdefg", "y"]], 8) == [
        "A      B",
        "名前…  x",
        "abcd…  y",
    ]


def test_an_address_is_cut_in_the_middle() -> None:
    """Both its ends identify it."""
    assert lay_out([Column("N", least=9, middle=True)], [["2001:db8::1234"]], 9)[1] == "2001…1234"


def test_a_column_that_must_be_whole_is_not_cut() -> None:
    """A pid without its last digit is another pid."""
    assert lay_out([Column("PID", right=True), Column("C", least=2)], [["4194304", "abcdef"]], 5)[1] == "4194304  a…"
