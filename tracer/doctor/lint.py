"""The lines of a resolv.conf that do not do what they seem to do.

The grammar is glibc's (resolv/res_init.c of 2.36; see :mod:`tracer.resolvconf.parser`). Each look takes all lines, and
gives one finding however many lines it is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.doctor.lines import CHECK, LINES_SHOWN, Line, at, lines_of, shown
from tracer.doctor.readers import Oddity, glued_comments, nul_bytes, those_who_refuse
from tracer.doctor.resolvoptions import options
from tracer.resolvconf.addresses import canonical, ipv4, ipv6
from tracer.resolvconf.parser import parse

__all__ = ["lint"]

_KEYWORDS = (b"nameserver", b"search", b"domain", b"options", b"sortlist")
_BLANKS = b" \t\v\f\r"
_BOM = b"\xef\xbb\xbf"
_NAMESERVERS_MAX, _DOMAINS_MAX = 3, 6  # MAXNS and MAXDNSRCH, <resolv.h>
_SEARCH_MAX = 255  # what fits struct __res_state, defname


def lint(data: bytes) -> list[Finding]:
    """Give what is wrong with the file, worst of all if nothing is right; else what it lists."""
    lines = lines_of(data)
    return [*nul_bytes(data), *(finding for look in _LOOKS for finding in look(lines)), *_listed(data)]


def _listed(data: bytes) -> list[Finding]:
    conf = parse(data)
    others = [address for address in conf.also_listed if address != "::1"]
    if not conf.implicit:
        return [ok(CHECK, f"lists {', '.join(conf.nameservers)}")]
    if others:
        names = ", ".join(others[:LINES_SHOWN])
        text = f"glibc finds no nameserver in it and falls back to 127.0.0.1; other resolvers query {names}"
        return [fail(CHECK, text, "fix the lines named above, or add: nameserver ADDRESS")]
    text = "it lists no nameserver: resolvers fall back to 127.0.0.1"
    return [warn(CHECK, text, "if that is intended, list it: nameserver 127.0.0.1")]


def _is_comment(line: Line) -> bool:
    return line.text.lstrip(_BLANKS).startswith((b"#", b";"))


def _carriage_returns(lines: Sequence[Line]) -> Iterator[Finding]:
    found = [line for line in lines if b"\r" in line.text and line.words and not _is_comment(line)]
    if found:
        what = "carriage return (Windows line ending); glibc takes it as part of the address or name"
        yield warn(CHECK, f"{at(found)}: {what}", "sed -i 's/\\r$//' /etc/resolv.conf")


def _leading_blanks(lines: Sequence[Line]) -> Iterator[Finding]:
    found = [line for line in lines if line.text[:1].isspace() and line.words and line.words[0] in _KEYWORDS]
    who = those_who_refuse(Oddity.LEADING_BLANKS)
    if found:
        yield warn(
            CHECK,
            f"{at(found)}: leading whitespace: {who} ignore the line",
            "remove the whitespace",
        )


def _byte_order_mark(lines: Sequence[Line]) -> Iterator[Finding]:
    if lines[0].text.startswith(_BOM):
        yield warn(
            CHECK,
            "line 1 begins with a byte order mark: every resolver ignores it",
            "sed -i '1s/^\\xef\\xbb\\xbf//' /etc/resolv.conf",
        )


def _unknown_keywords(lines: Sequence[Line]) -> Iterator[Finding]:
    found = [
        line
        for line in lines
        if line.words and line.words[0] not in _KEYWORDS and not _is_comment(line) and not line.text.startswith(_BOM)
    ]
    if found:
        names = ", ".join(dict.fromkeys(shown(line.words[0]) for line in found[:LINES_SHOWN]))
        yield warn(
            CHECK,
            f"{at(found)}: ignored; not a keyword: {names}",
            f"write it in lower case, or remove it; the keywords are {', '.join(word.decode() for word in _KEYWORDS)}",
        )


def _without_value(lines: Sequence[Line]) -> Iterator[Finding]:
    found = [line for line in lines if line.words == [b"nameserver"]]
    if found:
        yield warn(CHECK, f"{at(found)}: nameserver without an address", "write the address, or remove the line")


def _nameservers(lines: Sequence[Line]) -> Iterator[Finding]:
    given = [(line, _first_word(line)) for line in lines if line.is_for(b"nameserver") and len(line.words) > 1]
    # With a carriage return it is no address either, which is said elsewhere.
    wrong = [
        (line, word) for line, word in given if _address(word.rstrip(b"\r")) is None and not any(glued_comments([line]))
    ]
    if wrong:
        words = ", ".join(shown(word) for _, word in wrong[:LINES_SHOWN])
        yield warn(
            CHECK,
            f"{at([line for line, _ in wrong])}: ignored by glibc; not an IP address: {words}",
            "write the address alone, without port, brackets or an attached comment",
        )
    valid = [address for _, word in given if (address := _address(word)) is not None]
    beyond = valid[_NAMESERVERS_MAX:]
    if beyond:
        names = ", ".join(beyond[:LINES_SHOWN]) + (", …" if len(beyond) > LINES_SHOWN else "")
        yield warn(CHECK, f"{names}: after the third nameserver, so glibc never queries it", "keep three")
    twice = [address for address, count in Counter(valid).items() if count > 1]
    if twice:
        names = ", ".join(twice[:LINES_SHOWN])
        yield warn(CHECK, f"{names}: listed more than once, which counts towards the limit of three", "list it once")


def _first_word(line: Line) -> bytes:
    """Give what glibc takes for the address: up to the next blank, whatever else is in it."""
    return line.text.removeprefix(b"nameserver").lstrip(b" \t").replace(b"\t", b" ").partition(b" ")[0]


def _address(word: bytes) -> str | None:
    packed = ipv4(word)
    if packed is None:
        address, _, scope = word.partition(b"%")
        packed = ipv6(address)
        return None if packed is None else canonical(packed, scope.decode(errors="replace") or None)
    return canonical(packed)


def _search(lines: Sequence[Line]) -> Iterator[Finding]:
    given = [line for line in lines if line.is_for(b"search", b"domain") and len(line.words) > 1]
    if len(given) > 1:
        *before, last = given
        yield warn(CHECK, f"{at(before)}: no effect: line {last.number} overrides it", "keep one search or domain")
    for line in given[-1:]:
        domains = line.words[1:] if line.is_for(b"search") else line.words[1:2]
        if any(len(domain) > _SEARCH_MAX for domain in domains):
            yield fail(
                CHECK,
                f"line {line.number}: a search domain of more than {_SEARCH_MAX} characters makes programs abort "
                "(glibc 2.36, assertion in resolv_conf.c)",
                "remove it: no DNS name is that long",
            )
        elif len(domains) > _DOMAINS_MAX or len(b" ".join(domains)) > _SEARCH_MAX:
            yield warn(
                CHECK,
                f"line {line.number}: {len(domains)} search domains, {len(b' '.join(domains))} characters; many "
                f"programs see no more than {_DOMAINS_MAX} and {_SEARCH_MAX} (resolv.conf(5))",
                "keep fewer",
            )


def _sortlist(lines: Sequence[Line]) -> Iterator[Finding]:
    found = [line for line in lines if line.is_for(b"sortlist")]
    endless = [line for line in found if any(byte in b"\r\v\f" or byte > 0x7F for byte in line.text)]  # noqa: PLR2004
    if endless:
        yield fail(
            CHECK,
            f"{at(endless)}: glibc loops forever on this character in sortlist: programs hang",
            "remove sortlist, or the carriage return behind it",
        )
    elif found:
        yield warn(CHECK, f"{at(found)}: getaddrinfo(3) ignores sortlist", "remove it")


_Look = Callable[[Sequence[Line]], Iterator[Finding]]
_LOOKS: tuple[_Look, ...] = (
    _byte_order_mark,
    _carriage_returns,
    _leading_blanks,
    _unknown_keywords,
    _without_value,
    glued_comments,
    _nameservers,
    _search,
    _sortlist,
    options,
)
