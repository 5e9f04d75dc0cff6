r"""Text that came from a process, made safe to show.

``comm``, the name of an executable and the name of a unit are under their owner's control: terminal escapes, newlines,
bidirectional marks, bytes that are no UTF-8 (which the tracer hands on as lone surrogates, PEP 383). Here each
such character becomes a visible escape: ``\x1b``, ``\u202e``. A backslash stays as it is, since unit names are full
of them (``dev-disk\x2d1.mount``), so an escape marks what was there and is not meant to be undone.
"""

from __future__ import annotations

import re

__all__ = ["printable", "valid_text"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_SURROGATES = range(0xDC80, 0xDD00)
"""What Python's ``surrogateescape`` makes of the bytes 0x80 to 0xff."""


def _visible(character: str) -> str:
    code = ord(character)
    if code in _BYTE_SURROGATES:
        code -= 0xDC00
    if code < 0x100:  # noqa: PLR2004 - two hexadecimal digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def valid_text(text: str) -> str:
    """Return ``text`` with every lone surrogate made visible, so that it can be encoded as UTF-8. For JSON."""
    return _SURROGATE.sub(lambda match: _visible(match[0]), text)


def printable(text: str) -> str:
    """Return ``text`` on one line, with nothing in it that acts on a terminal or hides. For terminals, labels, HTML.

    What stays is what Unicode calls printable (:meth:`str.isprintable`): neither controls nor formats (which are the
    bidirectional marks and the zero-width characters), separators, surrogates or unassigned code points.
    """
    return "".join(character if character.isprintable() else _visible(character) for character in text)
