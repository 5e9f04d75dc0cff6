"""Makes up resolv.conf files: by the grammar, mostly, then damaged a little, so that glibc finds something in them."""

from __future__ import annotations

import re
from random import Random

IPV4 = (
    b"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 10.1 10.1.2 0x0a.1 0XC0.0x00.0x2.0x1 192.000.002.010 0300.0.2.1 08 0x"
    b" 3221225985 4294967295 4294967296 037777777777 1.2.3.4.5 256.1.1.1 1.2.3.256 1.2.65536 1.16777216 1.2.3. .1.2.3"
    b" 1..2 0.0.0.0 255.255.255.255 127.0.0.1 192.0.2.1:53 192.0.2.1.53 192.0.2.1#x 192.0.2.1;x 192.0.2.1,192.0.2.2"
    b" 192.0.2.1/24 +1.2.3.4 -1 1e3 0b1 1.2.3.4\r 0x1.0x2.0x3.0x4 00000000000000000000000000000001 192.0.2.1%lo"
).split(b" ")
IPV6 = (
    b"2001:db8::1 2001:DB8:0:0:0:0:0:1 :: ::1 ::ffff:192.0.2.1 ::FFFF:10.1 ::192.0.2.1 ::1.2.3.04 1::2::3 1:2:3:4:5:6:7"
    b" 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 00001::1 12345::1 :1 1: [::1] [::1]:53 g::1"
    b" 2001:db8::1%3 2001:db8::1%lo ::1%lo ::ffff:192.0.2.1%1 64:ff9b::192.0.2.1 fec0::1%lo ff02::1%lo ff05::1%lo"
).split(b" ")
LINK_LOCAL = (b"fe80::1", b"FE80::a", b"febf:ffff::1", b"fe80::192.0.2.1", b"fe80:1::2", b"ff02::1")
SCOPES = (
    b"lo 1 eth0 5 7 6 0x2 8 wg-x.1_2~3@ab! eth9 nosuch0 0 00 01 9 4294967295 4294967296 99999999999999999999 -1 +1"
    b" 1x x1 lo%lo lo:1 eth0: :1 5:1 000000000000000000005 lo/ LO eth0\r abcdefghijklmno abcdefghijklmnop % . .."
).split(b" ")
KEYWORDS = (b"nameserver", b"options", b"search", b"domain", b"sortlist", b"lookup", b"family")
ODD_KEYWORDS = (
    *(b"NAMESERVER", b"Nameserver", b"nameServer", b"nameservers", b"nameserve", b"name server", b"xnameserver"),
    *(
        b"option",
        b"Options",
        b"searchx",
        b"\xef\xbb\xbfnameserver",
        b"\xff\xfen\0a\0",
        b"\0nameserver",
        b"nameserver\0",
    ),
)
OPTIONS = (
    b"timeout:1 timeout:0 timeout:-1 timeout:30 timeout:31 timeout:999999999999 timeout:4294967297 timeout:2147483648"
    b" timeout:9223372036854775808 timeout:-99999999999999999999 timeout:+3 timeout:07 timeout:0x9 timeout:5s timeout:"
    b" timeout timeout=1 Timeout:1 xtimeout:1 timeout:\r4 timeout:\v4 timeout:--1 attempts:1 attempts:0 attempts:5"
    b" attempts:6 attempts:-3 attempts: attempts:4294967298 attempts:9x attempts:1:2 attempts:1,timeout:1 ndots:3 debug"
    b" rotate edns0 single-request single-request-reopen single-requestx xsingle-request use-vc no-reload trust-ad"
    b" no-aaaa inet6 no-tld-query 7 -3 +2 # ; \xff"
).split(b" ")
DOMAINS = (b"a.example", b"b.example.", b".", b"x", b"\xc3\xbc.example", b"a\r", b"-", b"#x", b"192.0.2.1")
BLANKS = (b" ", b" ", b" ", b"\t", b"  ", b" \t ", b"\t\t")
ODD_BLANKS = (b"", b"\v", b"\f", b"\r", b"\xa0", b"\xc2\xa0", b"\xe2\x80\x82", b"=", b": ", b",", b"\0", b"\x85")
ENDS = (
    b"\n",
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b" \n",
    b"\t\n",
    b" x\n",
    b" # x\n",
    b"#x\n",
    b"\0\n",
    b"\0x\n",
    b"\r",
    b"",
)
NOISE = (
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b"\t",
    b"\v",
    b"\f",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"#",
    b";",
    b"%",
    b":",
    b".",
    b"-",
)

_SEARCH_MOST = 5
_LONG = 3000
# What glibc does not survive (2.36): it loops for ever on a `sortlist` with what is no address, and aborts on more
# than 255 characters of search domains; of those it shows six.
_DEADLY = re.compile(b"^sortlist[ \t]|^(?:search|domain)[ \t]+(?:[^\n]{200}|(?:[^ \t\n]+[ \t]+){6})", re.MULTILINE)


def resolv_conf(rng: Random) -> bytes:
    """Make up one file."""
    while True:
        text = b"".join(_line(rng) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12))))
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 5))):
            text = _damaged(rng, text)
        if not _DEADLY.search(text):
            return text


def _line(rng: Random) -> bytes:
    kind = rng.randrange(20)
    if kind < 11:
        words = [_address(rng) for _ in range(rng.choice((1, 1, 1, 1, 2, 3)))]
        keyword = b"nameserver" if rng.randrange(12) else rng.choice(ODD_KEYWORDS)
    elif kind < 14:
        words = rng.choices(OPTIONS, k=rng.choice((0, 1, 1, 2, 3, 4)))
        keyword = b"options" if rng.randrange(12) else rng.choice(ODD_KEYWORDS)
    elif kind < 16:
        words = rng.choices(DOMAINS, k=rng.randint(0, _SEARCH_MOST))
        keyword = rng.choice((b"search", b"domain"))
    elif kind == 16:
        return rng.choice((b"#", b";", b" #", b"#\t", b"")) + _address(rng) + rng.choice(ENDS)
    elif kind == 17:
        words, keyword = [rng.choice(IPV4)], rng.choice(KEYWORDS)
    else:
        return b"".join(rng.choices((*KEYWORDS, *NOISE, *IPV4, *BLANKS), k=rng.randint(1, 6))) + rng.choice(ENDS)
    before = b"" if rng.randrange(10) else rng.choice((b" ", b"\t", b"  ", b"\v", b"\r", b"\0", b"\xef\xbb\xbf"))
    return before + keyword + _blank(rng) + _blank(rng).join(words) + rng.choice(ENDS)


def _blank(rng: Random) -> bytes:
    if rng.randrange(300) == 0:
        return rng.choice(BLANKS) * _LONG
    return rng.choice(BLANKS) if rng.randrange(25) else rng.choice(ODD_BLANKS)


def _address(rng: Random) -> bytes:
    kind = rng.randrange(8)
    if kind < 3:
        return b"192.0.2.%d" % rng.randrange(256)
    if kind == 3:
        forms = (b"%d", b"%d", b"0%o", b"0x%x", b"0X%X", b"%03d")
        return b".".join(rng.choice(forms) % rng.choice((0, 1, 8, 77, 255, 256, 65535, 2**24, 2**32)) for _ in range(4))
    if kind == 4:
        return rng.choice(IPV4)
    if kind == 5:
        groups = [b"%x" % rng.choice((0, 0, 1, 0xDB8, 0xFFFF, 0x10000)) for _ in range(rng.randint(1, 9))]
        return b":".join(groups).replace(b"0:0", b":", rng.randrange(2))
    if kind == 6:
        return rng.choice(LINK_LOCAL) + b"%" + rng.choice(SCOPES)
    return rng.choice((*IPV6, *LINK_LOCAL))


def _damaged(rng: Random, text: bytes) -> bytes:
    at = rng.randint(0, len(text))
    match rng.randrange(8):
        case 0:
            return text[:at] + rng.choice(NOISE) + text[at:]
        case 1:
            return text[:at] + text[at + rng.randint(1, 4) :]
        case 2:
            return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
        case 3:
            return text.replace(b"\n", b"\r\n")
        case 4:
            lines = text.splitlines(keepends=True)
            rng.shuffle(lines)
            return b"".join(lines)
        case 5:
            lines = text.splitlines(keepends=True)
            return b"".join(lines + lines[:2])
        case 6:
            return rng.choice((b"\xef\xbb\xbf", b"\n", b"\0", b" ")) + text
        case _:
            return text[:at]
