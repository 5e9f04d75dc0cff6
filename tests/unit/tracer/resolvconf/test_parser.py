"""What resolvers make of a resolv.conf, tried on the corner cases and against this machine's glibc."""

from __future__ import annotations

import time
from functools import partial
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import glibc
from tests.support.glibc import reading
from tracer.resolvconf import parser
from tracer.resolvconf.addresses import canonical, ipv4, ipv4_in_decimal, ipv6
from tracer.resolvconf.parser import EMPTY

A, B, C, D, E = (f"192.0.2.{n}" for n in range(1, 6))
LOCAL = "127.0.0.1"

# `lo` alone, so that no test depends on the machine's interfaces.
parse = partial(
    parser.parse, interface_name={1: "lo"}.get, interface_index=lambda name: 1 if name in {"lo", "lo:1"} else None
)

CASES: list[tuple[str, bytes, list[str], list[str]]] = [
    # what it is, the file, effective for glibc, also listed
    ("one", b"nameserver 192.0.2.1\n", [A], []),
    ("no final newline", b"nameserver 192.0.2.1", [A], []),
    ("tab and blanks between", b"nameserver\t  192.0.2.1\n", [A], []),
    ("tab behind", b"nameserver 192.0.2.1\t# x\n", [A], []),
    ("blanks at the end", b"nameserver 192.0.2.1 \t\n", [A], []),
    ("in order", b"nameserver 192.0.2.2\nnameserver 192.0.2.1\n", [B, A], []),
    ("invalid then valid", b"nameserver 192.0.2.256\nnameserver 192.0.2.1\n", [A], []),
    ("duplicates count towards three", b"nameserver 192.0.2.1\n" * 3 + b"nameserver 192.0.2.2", [A, A, A], [B]),
    ("beyond the third", b"".join(b"nameserver 192.0.2.%d\n" % n for n in range(1, 6)), [A, B, C], [D, E]),
    ("leading blank", b" nameserver 192.0.2.1\n\tnameserver 192.0.2.2\n", [LOCAL], [A, B, "::1"]),
    ("leading blank on one of two", b" nameserver 192.0.2.1\nnameserver 192.0.2.2\n", [B], [A]),
    ("CRLF", b"nameserver 192.0.2.1\r\nnameserver 2001:db8::1\r\n", [LOCAL], [A, "2001:db8::1", "::1"]),
    ("CR alone", b"nameserver 192.0.2.1\rnameserver 192.0.2.2\r", [LOCAL], [A, B, "::1"]),
    ("vertical tab", b"nameserver\v192.0.2.1\n", [LOCAL], [A, "::1"]),
    ("upper case keyword", b"NAMESERVER 192.0.2.1\nNameserver 192.0.2.2\n", [LOCAL], ["::1"]),
    ("longer keyword", b"nameservers 192.0.2.1\n", [LOCAL], ["::1"]),
    ("keyword without an address", b"nameserver\nnameserver \n192.0.2.1\n", [LOCAL], ["::1"]),
    ("two on a line", b"nameserver 192.0.2.1 192.0.2.2\n", [A], [B]),
    ("commas", b"nameserver 192.0.2.1,192.0.2.2\n", [LOCAL], [A, B, "::1"]),
    ("trailing words", b"nameserver 192.0.2.1 port 53\n", [A], []),
    ("comment behind", b"nameserver 192.0.2.1 # was 192.0.2.2\nnameserver 192.0.2.3 ; 192.0.2.4\n", [A, C], []),
    ("comment glued", b"nameserver 192.0.2.1#x\nnameserver 192.0.2.2;x\n", [LOCAL], [A, B, "::1"]),
    ("comment lines", b"#nameserver 192.0.2.1\n;nameserver 192.0.2.2\n # nameserver 192.0.2.3\n", [LOCAL], ["::1"]),
    ("empty", b"", [LOCAL], ["::1"]),
    ("noise", b"\n \n\xff\xfe\nsearch example.com\nlookup file bind\n", [LOCAL], ["::1"]),
    ("it does list 127.0.0.1", b"nameserver 127.0.0.1\n", [LOCAL], []),
    ("NUL behind the address", b"nameserver 192.0.2.1\0x 192.0.2.2\nnameserver 192.0.2.3\n", [A, C], []),
    ("NUL at the line's start", b"\0nameserver 192.0.2.1\nnameserver 192.0.2.2\n", [B], []),
    ("byte order mark", b"\xef\xbb\xbfnameserver 192.0.2.1\nnameserver 192.0.2.2\n", [B], []),
    ("line of 300 bytes", b"nameserver 192.0.2.1" + b" " * 280 + b"\n", [A], []),
    ("not ASCII", "nameserver 192.0.2.1\u0661\nnameserver ::\u0661\n".encode(), [LOCAL], ["::1"]),
    ("two parts", b"nameserver 10.1\n", ["10.0.0.1"], ["10.1.0.0"]),
    ("one number", b"nameserver 3221225985\n", [A], []),
    ("hexadecimal", b"nameserver 0xC0000201\n", [A], []),
    ("hexadecimal and CRLF, as musl takes it", b"nameserver 0xC0000201\r\n", [LOCAL], [A, "::1"]),
    ("octal", b"nameserver 192.000.002.010\n", ["192.0.2.8"], ["192.0.2.10"]),
    ("octal where decimal is out of range", b"nameserver 0300.0.2.1\n", [A], []),
    ("0.0.0.0", b"nameserver 0.0.0.0\n", ["0.0.0.0"], []),  # noqa: S104 - nothing is bound here
    ("IPv4 with a port", b"nameserver 192.0.2.1:5353\nnameserver 192.0.2.2.53\n", [LOCAL], [A, B, "::1"]),
    ("brackets", b"nameserver [192.0.2.1]\nnameserver [2001:DB8::1]:53\n", [LOCAL], [A, "2001:db8::1", "::1"]),
    ("brackets and interface", b"nameserver [fe80::1]:53%lo\n", [LOCAL], ["fe80::1%lo", "fe80::1", "::1"]),
    ("IPv6 written at length", b"nameserver 2001:DB8:0:0:0:0:0:1\n", ["2001:db8::1"], []),
    ("v4-mapped", b"nameserver ::ffff:192.0.2.1\n", [A], []),
    ("link-local", b"nameserver fe80::1%lo\n", ["fe80::1%lo"], ["fe80::1"]),
    ("link-local by number", b"nameserver fe80::1%1\n", ["fe80::1%lo"], ["fe80::1"]),
    ("link-local by a number without a name", b"nameserver fe80::1%7\n", ["fe80::1%7"], ["fe80::1"]),
    ("link-local of an unknown interface", b"nameserver fe80::1%eth9\n", ["fe80::1"], ["fe80::1%eth9"]),
    ("link-local without interface", b"nameserver fe80::1\nnameserver fe80::2%\n", ["fe80::1", "fe80::2"], []),
    ("an alias of an interface", b"nameserver fe80::1%lo:1\r\n", ["fe80::1%lo"], ["fe80::1"]),
    ("an alias of a number", b"nameserver fe80::1%5:1\n", ["fe80::1"], []),
    ("link-local by a number with zeros", b"nameserver fe80::1%" + b"0" * 5000 + b"7\n", ["fe80::1%7"], ["fe80::1"]),
    ("interface no kernel would have", b"nameserver fe80::1%\x1b[31m/\n", ["fe80::1"], []),
    ("interface of 16 characters", b"nameserver fe80::1%abcdefghijklmnop\n", ["fe80::1"], []),
    ("scope of a global address", b"nameserver 2001:db8::1%3\n", ["2001:db8::1"], []),
]


@pytest.mark.parametrize(("data", "nameservers", "also_listed"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_lists(data: bytes, nameservers: list[str], also_listed: list[str]) -> None:
    """Each corner case of resolvers.md, section 3: what glibc takes, and what only others do."""
    conf = parse(data)
    assert (list(conf.nameservers), list(conf.also_listed)) == (nameservers, also_listed)
    assert conf.listed == {*nameservers, *also_listed}


@pytest.mark.parametrize(
    ("data", "implicit"),
    [(b"", True), (b" nameserver 192.0.2.1", True), (b"nameserver 127.0.0.1", False), (b"nameserver ::1", False)],
)
def test_implicit_only_where_nothing_is_effective(data: bytes, implicit: bool) -> None:
    """127.0.0.1 by default is distinguished from 127.0.0.1 as configured."""
    assert parse(data).implicit is implicit


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (b"", 5 * 2 * 1 * 2),
        (b"nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 5 * 2 * 2 * 2),
        (b"search a b c\n", 5 * 2 * 1 * 4),
        (b"search a b c\ndomain d e\n", 5 * 2 * 1 * 2),
        (b"domain d\nsearch a \t b\nsearch \n", 5 * 2 * 1 * 3),
        (b"options timeout:1 attempts:1\n", 1 * 1 * 1 * 2),
        (b"options timeout:1\noptions\tattempts:3\n", 1 * 3 * 1 * 2),
        (b"options timeout:1 timeout:2\n", 2 * 2 * 1 * 2),
        (b"options timeout:99 attempts:99\n", 30 * 5 * 1 * 2),
        (b"options timeout:0\n", 1 * 2 * 1 * 2),
        (b"options attempts:-1\n", 0),
        (b"options xtimeout:1 timeout attempts=1\n Xoptions timeout:1\n", 5 * 2 * 1 * 2),
        (b"options single-request\n", 5 * 2 * 1 * 2 * 2),
        (b"options single-request-reopen rotate\n", 5 * 2 * 1 * 2 * 2),
        (b"options xsingle-request\n", 5 * 2 * 1 * 2),
        (b"options timeout:000000000000007\n", 7 * 2 * 1 * 2),
        (b"options timeout:" + b"9" * 5000, 1 * 2 * 1 * 2),  # atoi() gives -1 here
        (b"options timeout:4294967303", 7 * 2 * 1 * 2),
        (b"options timeout:-4294967289", 7 * 2 * 1 * 2),
    ],
)
def test_lookup_seconds(data: bytes, seconds: int) -> None:
    """The longest lookup: timeout x attempts x nameservers x (search domains + 1) x rounds."""
    assert parse(data).lookup_seconds == seconds


@pytest.mark.parametrize(
    ("address", "scope", "text"),
    [
        (A, None, A),
        ("::ffff:192.0.2.1", "lo", A),
        ("2001:0db8:0:0:1:0:0:1", None, "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", None, "2001:db8:0:1:1:1:1:1"),
        ("febf::1", "wg0", "febf::1%wg0"),
        ("fe80::1", None, "fe80::1"),
        ("fec0::1", "lo", "fec0::1"),
        ("::ffff:169.254.0.1", "lo", "169.254.0.1"),
    ],
)
def test_canonical(address: str, scope: str | None, text: str) -> None:
    """RFC 5952, v4-mapped as IPv4, an interface on link-local addresses only."""
    assert canonical(ip_address(address).packed, scope) == text


@pytest.mark.parametrize("word", [b"", b"::1\0", b"\xff::1", b"::1%lo", b"1", b"9" * 5000, b"1.2.3.4.5"])
def test_words_that_are_no_address(word: bytes) -> None:
    """What is no IPv6 address gives None and raises nothing; of IPv4 only a number small enough is one."""
    assert ipv6(word) is None
    assert (ipv4(word), ipv4_in_decimal(word)) == ((b"\0\0\0\1", b"\1\0\0\0") if word == b"1" else (None, None))


def test_by_default_the_interfaces_are_this_process_s() -> None:
    """``lo`` has index 1 in every network namespace; the other name and number belong to none."""
    data = b"nameserver fe80::1%1\nnameserver fe80::2%lo\nnameserver fe80::3%nosuch0\nnameserver fe80::4%4000000000"
    assert parser.parse(data).nameservers == ("fe80::1%lo", "fe80::2%lo", "fe80::3")
    assert parser.parse(data[-31:]).nameservers == ("fe80::4%4000000000",)


KEYWORDS = [b"nameserver ", b"nameserver\t", b" nameserver ", b"options ", b"search ", b"domain ", b"# ", b"; "]
OPTIONS = [b"timeout:", b"attempts:", b"single-request", b"rotate", b"7", b"-3", b"+2", b"0"]
IPV4 = rb"192.0.2.1 10.1 0x0a.1 192.000.002.010 08 0x 4294967296 1.2.3.4.5 256.1.1.1 192.0.2.1:53 1.2.3.".split()
IPV6 = rb"2001:db8::1 :: ::ffff:192.0.2.1 ::1%3 [::1]:53 1::2::3 ::1.2.3.04 ff02::1%1".split()
LINK_LOCAL = (
    rb"fe80::1%lo fe80::1%1 fe80::2%9 fe80::2%x fe80::1% fe80::3%01 fe80::4%1x fe80::5%0 FE80::1%4294967296".split()
)
ADDRESSES = [*IPV4, *IPV6, *LINK_LOCAL]
SIGNS = [b"\n", b"\r\n", b"\r", b" ", b"\t", b"\v", b"\0", b"\xff", b"\xef\xbb\xbf", b",", b"#", b"%", b":", b".", b"-"]
FRAGMENTS = [*KEYWORDS, *OPTIONS, *ADDRESSES, *SIGNS, b"nameserver", b"options", b"a.example", b"0" * 120]


@given(st.one_of(st.binary(), st.lists(st.sampled_from(FRAGMENTS)).map(b"".join)))
@example(b"nameserver " + b"9" * 5000)
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """Whatever stands in the file, the result keeps its promises."""
    conf = parse(data)
    assert 1 <= len(conf.nameservers) <= 3
    assert len(set(conf.also_listed)) == len(conf.also_listed)
    assert not set(conf.also_listed) & set(conf.nameservers)
    assert not conf.implicit or (conf.nameservers == (LOCAL,) and "::1" in conf.also_listed)
    for address in conf.listed:
        packed = ip_address(address).packed
        assert canonical(packed, address.partition("%")[2]) == address


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 2**20,
        b"nameserver" + b"\t" * 2**20,
        b"nameserver " + b":" * 2**20 + b"%",
        b"nameserver " + b"1" * 2**20,
        b"nameserver " + b"1." * 2**19,
        b"nameserver " + b"[" * 2**20,
        b"nameserver " * 2**16,
        b"options timeout:" + b"\r" * 2**20,
        b"options timeout:" + b"0" * 2**20,
        b"options " + b"timeout: " * 2**17,
        b"nameserver " + b" ".join(b"2001:db8::%x" % n for n in range(2**16)),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_takes_linear_time(data: bytes) -> None:
    """A megabyte of anything is read in a second of processor time; quadratic time would take minutes."""
    begun = time.process_time()
    conf = parse(data)
    assert time.process_time() - begun < 1
    assert len(conf.listed) < 400


@pytest.mark.root
def test_agrees_with_glibc() -> None:
    """On the corner cases glibc has the same nameservers and timing; tests/fuzz has made-up files by the thousand."""
    files = [case[1] for case in CASES]
    ours = [reading(glibc.parse(file)) for file in files]
    assert [d for d in zip(files, ours, glibc.ask(files), strict=True) if d[1] != d[2]] == []


@pytest.mark.root
def test_a_missing_file_is_an_empty_one_to_glibc() -> None:
    """EMPTY stands for every file that cannot be read."""
    assert glibc.ask([b"nameserver 192.0.2.1", None])[1] == reading(EMPTY)
