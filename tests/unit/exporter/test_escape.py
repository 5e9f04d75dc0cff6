"""Text from a process cannot act on what shows it."""

from __future__ import annotations

import pytest

from exporter.escape import printable, valid_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\n\tb", "a\\x0d\\x0a\\x09b"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eexe.\u2066", "\\u202eexe.\\u2066"),
        ("a\u200bb\u2028", "a\\u200bb\\u2028"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\x7f", "\\x7f"),
    ],
)
def test_what_acts_or_hides_is_shown_as_an_escape(text: str, shown: str) -> None:
    """Controls of both ranges, bidirectional marks, zero-width characters, separators, bytes that are no UTF-8."""
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["sendmail", "dev-disk\\x2d1.mount", "a b", "köln", "名前", ""])
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Words of any script, blanks, and the backslashes that systemd writes."""
    assert printable(text) == valid_text(text) == text


def test_valid_text_changes_lone_surrogates_only() -> None:
    """JSON has escapes of its own for controls; what it cannot carry is a lone surrogate."""
    assert valid_text("\x1b\u202e\udcff") == "\x1b\u202e\\xff"
    valid_text("".join(map(chr, range(0x110000)))).encode()
