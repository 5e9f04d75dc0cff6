"""The lines of a resolv.conf that do not do what they seem to do: each is reported, and what is right is left alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.doctor import Finding, Result
from tracer.doctor.lint import lint
from tracer.resolvconf.parser import parse

A = b"nameserver 192.0.2.1\n"


def bad(data: bytes) -> list[Finding]:
    """Give the findings that are not ok."""
    return [finding for finding in lint(data) if finding.result is not Result.OK]


@pytest.mark.parametrize(
    "data",
    [
        A,
        A.rstrip(),
        b"# made by hand\n;x\n # indented\n\n" + A + b"search a.example b.example\noptions edns0 timeout:2 trust-ad\n",
        b"domain a.example trailing words\n" + A,
        b"nameserver\t192.0.2.1 # the first\nnameserver 2001:db8::1\nnameserver fe80::1%lo\noptions ndots:2 rotate\n",
        A + b"search\n",
        b"# comment\r\n\r\n" + A,
    ],
)
def test_what_is_right_is_left_alone(data: bytes) -> None:
    """One finding: what it lists."""
    (finding,) = lint(data)
    assert finding.result is Result.OK
    assert finding.text == f"lists {', '.join(parse(data).nameservers)}"
    assert finding.remedy is None


@pytest.mark.parametrize(
    ("data", "result", "text"),
    [
        (A + b"nameserver 192.0.2.2\r\n", "warn", "line 2: carriage return"),
        (A + b" nameserver 192.0.2.2\n\tsearch a\n", "warn", "lines 2, 3: leading whitespace"),
        (b"\xef\xbb\xbfnameserver 192.0.2.2\n" + A, "warn", "line 1 begins with a byte order mark"),
        (A + b"NAMESERVER 192.0.2.2\nlookup file\n", "warn", "not a keyword: NAMESERVER, lookup"),
        (
            A + b"nameservers 192.0.2.2\n" * 9,
            "warn",
            "lines 2, 3, 4 and 6 more: ignored; not a keyword: nameserve",
        ),
        (A + b"search a\0\n", "warn", "line 2: NUL byte: c-ares, dnspython, Go and musl ignore the line"),
        (A + b"nameserver\n", "warn", "line 2: nameserver without an address"),
        (A + b"nameserver 192.0.2.256\n", "warn", "line 2: ignored by glibc; not an IP address: 192.0.2.256"),
        (
            A + b"nameserver 192.0.2.2#x\n",
            "warn",
            "line 2: comment attached to the address: dnspython, glibc, Go and musl",
        ),
        (A + b"nameserver 192.0.2.2:53\nnameserver [::1]:53\n", "warn", "not an IP address: 192.0.2.2:53, [::1]:53"),
        (
            b"".join(b"nameserver 192.0.2.%d\n" % n for n in range(1, 6)),
            "warn",
            "192.0.2.4, 192.0.2.5: after the third",
        ),
        (b"".join(b"nameserver 192.0.2.%d \r\n" % n for n in range(1, 5)), "warn", "192.0.2.4: after the third"),
        (A + A, "warn", "192.0.2.1: listed more than once"),
        (A + b"search a\ndomain b\n", "warn", "line 2: no effect: line 3 overrides it"),
        (A + b"search" + b" a" * 7, "warn", "line 2: 7 search domains, 13 characters"),
        (A + b"search" + b" example.example" * 6 + b" " + b"a" * 200, "warn", "search domains"),
        (A + b"search " + b"a" * 256, "fail", "line 2: a search domain of more than 255 characters"),
        (A + b"domain " + b"a" * 256, "fail", "line 2: a search domain of more than 255 characters"),
        (A + b"sortlist 192.0.2.0\n", "warn", "line 2: getaddrinfo(3) ignores sortlist"),
        (A + b"sortlist 192.0.2.0\r\n", "fail", "line 2: glibc loops forever on this character"),
        (A + b"sortlist \xff\n", "fail", "line 2: glibc loops forever on this character"),
        (A + b"options rotate no-reload\n", "warn", "options no-reload: no glibc program follows"),
        (A + b"options timout:1\n", "warn", "line 2: ignored; not an option of glibc: timout:1"),
        (b"", "warn", "lists no nameserver"),
        (b"# nothing\nsearch a\n", "warn", "lists no nameserver"),
        (
            b" nameserver 192.0.2.1\n",
            "fail",
            "glibc finds no nameserver in it and falls back to 127.0.0.1; other resolvers query 192.0.2",
        ),
        (b"nameserver 192.0.2.1\r\n", "fail", "glibc finds no nameserver in it"),
    ],
)
def test_what_is_wrong_is_reported(data: bytes, result: str, text: str) -> None:
    """With its line, and a remedy."""
    found = [finding for finding in bad(data) if text in finding.text]
    assert [finding.result for finding in found] == [result], bad(data)
    assert all(finding.remedy for finding in bad(data))


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"nameserver 192.0.2.1 \r\n", ["line 1: carriage return"]),  # glibc takes the address all the same
        (A + A.replace(b"1\n", b"1\r\n"), ["line 2: carriage return"]),  # and here not: it is not listed twice
        (A + b"search" + b" a" * 9 + b"\nsearch b\n", ["line 2: no effect"]),
        (b"domain a\nsearch b" + b"\nnameserver 192.0.2.1", ["line 1: no effect"]),
    ],
)
def test_nothing_is_reported_twice(data: bytes, texts: list[str]) -> None:
    """One cause, one finding."""
    assert [finding.text.startswith(text) for finding, text in zip(bad(data), texts, strict=True)] == [True]


FRAGMENTS = [b"nameserver ", b" nameserver ", b"search ", b"options ", b"sortlist ", b"\n", b"\r", b"\0", b"\xff", b"a"]


@given(st.one_of(st.binary(), st.lists(st.sampled_from([*FRAGMENTS, b"192.0.2.1", b"fe80::1%lo"])).map(b"".join)))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """Whatever is in the file: few findings, each with its remedy, and a nameserver that is used is shown."""
    findings = lint(data)
    assert 1 <= len(findings) <= 20
    assert all(len(finding.text) < 400 for finding in findings)
    assert all((finding.result is Result.OK) == (finding.remedy is None) for finding in findings)
    assert any(finding.result is Result.OK for finding in findings) is not parse(data).implicit


@pytest.mark.parametrize("data", [b"x\n", b"nameserver 1\n", b"\n", b" search a\n", b"options x\n", b"x ", b"\r"])
def test_a_large_file_takes_no_time(data: bytes) -> None:
    """A quarter of what is read of one: more than linear time would be minutes."""
    begun = time.process_time()
    lint(data * ((64 << 10) // len(data)))
    assert time.process_time() - begun < 1
