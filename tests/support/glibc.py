"""The machine's glibc as an oracle: what res_ninit() made of a resolv.conf (tests/programs/resninit.c)."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tests.support.building import build
from tracer.resolvconf import parser
from tracer.resolvconf.addresses import canonical
from tracer.resolvconf.parser import ResolvConf

INTERFACES = {"lo": 1, "eth0": 5, "7": 6, "wg-x.1_2~3@ab!": 7, "0x2": 8}
"""Those of the oracle's network namespace; one has another's number for a name."""
_NAMES = {index: name for name, index in INTERFACES.items()}
_NO_FILE = struct.pack("=I", 2**32 - 1)


@dataclass(frozen=True)
class Reading:
    """What a resolver has in its state after reading one file."""

    nameservers: tuple[str, ...]
    lookup_seconds: int


def _index(name: str) -> int | None:
    # The kernel leaves out what stands behind a colon, an alias (net/core/dev_ioctl.c).
    return INTERFACES.get(name.partition(":")[0])


parse = partial(parser.parse, interface_name=_NAMES.get, interface_index=_index)
"""Our reading, with the oracle's interfaces."""


def reading(conf: ResolvConf) -> Reading:
    """Leave of our reading what glibc can report too."""
    return Reading(conf.nameservers, conf.lookup_seconds)


def ask(files: Sequence[bytes | None]) -> list[Reading]:
    """Have glibc read each file (None: there is none)."""
    program = build("resninit", "-lresolv")
    sent = b"".join(_NO_FILE if file is None else struct.pack("=I", len(file)) + file for file in files)
    answer = subprocess.run([program], input=sent, stdout=subprocess.PIPE, check=True, timeout=300).stdout
    return [_reading(line) for line in answer.decode("ascii").splitlines()]


def _reading(line: str) -> Reading:
    """Read a line of the oracle's, bounding the lookup with glibc's own numbers."""
    timeout, attempts, domains, one_by_one, *nameservers = line.split()
    addresses = (text.partition("%") for text in nameservers)
    return Reading(
        tuple(
            canonical(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address), scope)
            for address, _, scope in addresses
        ),
        max(int(timeout), 1) * max(int(attempts), 0) * len(nameservers) * (int(domains) + 1) * (1 + int(one_by_one)),
    )
