"""What resolvers make of the bytes of a resolv.conf.

Two readings of one file. The effective one is glibc's (resolv/res_init.c as of 2.36, tried against glibc itself in
the tests): a keyword at the very start of a line and a blank behind it, the first word after it, three nameservers.
The other is the sum of what everybody else takes (resolvers.md, section 3): leading blanks, CR as a line end, any
number of nameservers, several on a line with blanks or commas between them, a port behind the address, other
readings of short and octal IPv4. It is there so that a process that follows its own reading raises no alarm.

A comment ends a line for both, although c-ares 1.34 reads on: ``nameserver 192.0.2.2 # was 192.0.2.1`` takes
192.0.2.1 off the list for all but it, and a process that still queries that one is what we look for.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tracer.resolvconf.addresses import canonical, ipv4, ipv4_in_decimal, ipv6

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EMPTY", "ResolvConf", "canonical", "parse"]

# The limits are those of glibc's <resolv.h>: MAXNS, RES_TIMEOUT, RES_MAXRETRANS, RES_DFLRETRY, RES_MAXRETRY.
_NAMESERVERS_MAX = 3
_TIMEOUT, _TIMEOUT_MAX = 5, 30
_ATTEMPTS, _ATTEMPTS_MAX = 2, 5

_LOCAL, _LOCAL_OF_GO = "127.0.0.1", "::1"

# In the patterns for lines every run of blanks is possessive, so that no input takes more than linear time.
_GLIBC_LINE = re.compile(rb"^(nameserver|search|domain|options)[ \t]++([^\n\0]+)", re.MULTILINE)
_ANY_LINE = re.compile(rb"(?:\A|[\r\n])[ \t\v\f]*+nameserver[ \t\v\f]++([^\r\n\0#;]+)")
_WORD = re.compile(rb"[^ \t]+")
# atoi() skips white space: `timeout: 7` is 7, and is followed by the unknown option `7`.
_NUMBER_OPTION = re.compile(rb"(?<![^ \t])(timeout|attempts):(?=[ \t\r\v\f]*+([+-]?)0*+(\d{0,20}))")
_ONE_BY_ONE_OPTION = re.compile(rb"(?<![^ \t])single-request")
_IPV4_WITH_PORT = re.compile(rb"(\d+\.\d+\.\d+\.\d+)[:.]\d+")
_BRACKETS = re.compile(rb"\[([^]%]+)\](?::\d+)?(%.+)?")
_INTERFACE = re.compile(rb"(?!.{16})([!-$&-.0-9;-~]+)(?::.*)?", re.DOTALL)
"""Names that the kernel's dev_valid_name() lets an interface have, ASCII only, and an alias, which it leaves out."""
_SCOPE_ID_MAX, _SCOPE_DIGITS = 0xFFFFFFFF, 11
_LONG_MAX, _INT_MAX, _INTS = 2**63 - 1, 2**31 - 1, 2**32
_READINGS_MAX = 300
"""Two or three to a nameserver. A container that writes a megabyte of them must not fill everybody's snapshot."""


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What one state of a resolv.conf lists; all addresses in canonical form."""

    nameservers: tuple[str, ...]
    """glibc's effective list: one to three, in order, duplicates kept."""
    also_listed: tuple[str, ...]
    """What other resolvers take from the file and glibc does not; no duplicates, in order of the file."""
    implicit: bool
    """Nothing is effective: glibc queries 127.0.0.1, and Go ::1 too, which is then in ``also_listed``."""
    lookup_seconds: int
    """Longest that one glibc lookup under this file can last: an upper bound, TCP not counted.

    timeout x attempts x nameservers x (search domains + 1, the name as it stands), twice that if A and AAAA
    are queried one after the other. The last of ``search`` and ``domain`` holds; with neither of them one domain is
    counted, since glibc takes the host's own.
    """
    assumed: tuple[str, ...] = ()
    """If it is ``implicit``: the addresses among all these that no line names for anybody."""

    @property
    def listed(self) -> frozenset[str]:
        """Every address that some resolver takes from the file."""
        return frozenset(self.nameservers + self.also_listed)


def _interface_name(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def _interface_index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Interfaces:
    """How the network namespace of the file's readers names its interfaces."""

    name: Callable[[int], str | None]
    index: Callable[[str], int | None]

    def scoped(self, packed: bytes, scope: bytes) -> Iterator[str]:
        """Yield what glibc takes ``address%scope`` for, then what others may (glibc: inet6_scopeid_pton.c).

        An interface glibc cannot find gives scope id 0, silently; Go keeps the text, c-ares drops the line.
        """
        named = _INTERFACE.fullmatch(scope)
        text = named[1].decode("ascii") if named else ""
        digits = scope.lstrip(b"0") if scope.isdigit() else b""
        number = (self.index(text) if text else None) or int(digits[:_SCOPE_DIGITS] or b"0")
        if 0 < number <= _SCOPE_ID_MAX:
            yield canonical(packed, self.name(number) or str(number))
        yield canonical(packed)
        if text and not text.isdigit():
            yield canonical(packed, text)


def _effective(word: bytes, interfaces: _Interfaces) -> str | None:
    """Return the nameserver that glibc makes of the first word of a line, None if it skips the line."""
    packed = ipv4(word)
    if packed is not None:
        return canonical(packed)
    address, _, scope = word.partition(b"%")
    packed = ipv6(address)
    return None if packed is None else next(interfaces.scoped(packed, scope))


def _readings(line: bytes, interfaces: _Interfaces) -> Iterator[str]:
    """Yield whatever some resolver takes from the words behind ``nameserver``."""
    for position, word in enumerate(line.replace(b",", b" ").split()):
        with_port = _IPV4_WITH_PORT.fullmatch(word)
        brackets = _BRACKETS.fullmatch(word)
        bare = with_port[1] if with_port else brackets[1] if brackets else word
        # `53` may be an address on its own; behind another one it is a port or prose.
        if position == 0 or bare.count(b".") == 3:  # noqa: PLR2004 - four parts
            yield from (canonical(packed) for packed in (ipv4(bare), ipv4_in_decimal(bare)) if packed is not None)
        address, _, scope = (brackets[1] + (brackets[2] or b"") if brackets else word).partition(b"%")
        packed = ipv6(address)
        if packed is not None:
            yield from interfaces.scoped(packed, scope)


def _atoi(sign: bytes, digits: bytes) -> int:
    """Give what atoi(3) makes of a number: a long, which holds at its ends, and of that the low 32 bits."""
    number = int(digits or b"0")
    long = max(-number, -_LONG_MAX - 1) if sign == b"-" else min(number, _LONG_MAX)
    return (long + _INT_MAX + 1) % _INTS - _INT_MAX - 1


def _lookup_seconds(lines: list[tuple[bytes, bytes]], nameservers: int) -> int:
    """Return the bound that ResolvConf.lookup_seconds describes (res_setoptions() of res_init.c, and res_send.c)."""
    timeout, attempts, domains, rounds = _TIMEOUT, _ATTEMPTS, 1, 1
    for keyword, value in lines:
        if keyword == b"search":
            domains = len(_WORD.findall(value))
        elif keyword == b"domain":
            domains = 1
        elif keyword == b"options":
            for option, sign, digits in _NUMBER_OPTION.findall(value):
                number = _atoi(sign, digits)
                if option == b"timeout":
                    timeout = min(number, _TIMEOUT_MAX)
                else:
                    attempts = min(number, _ATTEMPTS_MAX)
            if _ONE_BY_ONE_OPTION.search(value):
                rounds = 2
    # res_send.c waits a second if it is set to wait none; with no attempts it queries nothing.
    return max(timeout, 1) * max(attempts, 0) * nameservers * (domains + 1) * rounds


def parse(
    data: bytes,
    interface_name: Callable[[int], str | None] = _interface_name,
    interface_index: Callable[[str], int | None] = _interface_index,
) -> ResolvConf:
    """Return what the bytes of a resolv.conf list. Never raises, and takes linear time.

    The two callables tell an interface's name and index (None: there is none) in the network namespace whose
    link-local addresses are meant; by default this process's. They decide which form of ``fe80::1%eth0`` is
    effective; both forms are listed whatever they say, so an interface that comes and goes changes no list.
    """
    interfaces = _Interfaces(interface_name, interface_index)
    lines: list[tuple[bytes, bytes]] = _GLIBC_LINE.findall(data)
    words = (value.replace(b"\t", b" ").split(b" ", 1)[0] for keyword, value in lines if keyword == b"nameserver")
    taken = (address for word in words if (address := _effective(word, interfaces)) is not None)
    effective = tuple(islice(taken, _NAMESERVERS_MAX))
    nameservers = effective or (_LOCAL,)
    readings = (address for line in _ANY_LINE.finditer(data) for address in _readings(line[1], interfaces))
    also = dict.fromkeys(islice(readings, _READINGS_MAX))
    assumed = () if effective else tuple(address for address in (_LOCAL, _LOCAL_OF_GO) if address not in also)
    also |= dict.fromkeys(assumed)
    return ResolvConf(
        nameservers=nameservers,
        also_listed=tuple(address for address in also if address not in nameservers),
        implicit=not effective,
        lookup_seconds=_lookup_seconds(lines, len(nameservers)),
        assumed=assumed,
    )


EMPTY = parse(b"")
"""What a missing or unreadable file, and one that is no regular file, gives."""
