r"""Text from a process, made safe to show.

A process chooses its ``comm``, the name of its executable and of its unit: they may contain terminal escapes, newlines,
bidirectional marks, bytes that are not UTF-8 (lone surrogates, PEP 383). Each such character is shown as an escape:
``\x1b``, ``\u202e``. A backslash stays as it is, since unit names contain it (``dev-disk\x2d1.mount``), so escapes
cannot be reversed.
"""

from __future__ import annotations

import re

__all__ = ["printable", "valid_text"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_SURROGATES = range(0xDC80, 0xDD00)
"""The bytes 0x80 to 0xff under Python's ``surrogateescape``."""


def _visible(character: str) -> str:
    code = ord(character)
    if code in _BYTE_SURROGATES:
        code -= 0xDC00
    if code < 0x100:  # noqa: PLR2004 - two hexadecimal digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def valid_text(text: str) -> str:
    """Return ``text`` with every lone surrogate escaped, so that it can be encoded as UTF-8. For JSON."""
    return _SURROGATE.sub(lambda match: _visible(match[0]), text)


def printable(text: str) -> str:
    """Return ``text`` on one line, with every character that is not printable escaped. For terminals, labels, HTML.

    Escaped is what :meth:`str.isprintable` excludes: controls, formats (bidirectional marks, zero-width characters),
    separators, surrogates and unassigned code points.
    """
    return "".join(character if character.isprintable() else _visible(character) for character in text)
