"""The words behind ``options`` in a resolv.conf, as glibc compares them: by their beginning (res_setoptions())."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracer.doctor.finding import Finding, warn
from tracer.doctor.lines import CHECK, LINES_SHOWN, Line, at, shown

__all__ = ["options"]

_NO_RELOAD = b"no-reload"
_KNOWN = (
    *(b"ndots:", b"timeout:", b"attempts:", b"rotate", b"edns0", b"single-request", b"no-tld-query"),
    *(b"no_tld_query", b"use-vc", b"trust-ad", _NO_RELOAD),
    *(b"no-aaaa", b"strict-error"),  # from 2.36 and 2.41 on
    *(
        b"debug",
        b"no-check-names",
        b"inet6",
        b"ip6-bytestring",
        b"ip6-dotint",
        b"no-ip6-dotint",
    ),  # older, without effect
)
"""resolv.conf(5) and glibc's resolv/res_init.c. musl and Go know some of them, and none beside them."""


def options(lines: Sequence[Line]) -> Iterator[Finding]:
    """Find what ``options`` does not do, or does unexpectedly."""
    found = [(line, word) for line in lines if line.is_for(b"options") for word in line.words[1:]]
    if any(word.startswith(_NO_RELOAD) for _, word in found):
        yield warn(
            CHECK,
            "options no-reload: no glibc program follows a change of this file",
            "remove no-reload, and restart running programs",
        )
    unknown = {word for _, word in found if not word.startswith(_KNOWN)}
    if unknown:
        names = ", ".join(sorted(shown(word) for word in unknown)[:LINES_SHOWN])
        where = at([line for line, word in found if word in unknown])
        yield warn(CHECK, f"{where}: ignored; not an option of glibc: {names}", "see options in resolv.conf(5)")
