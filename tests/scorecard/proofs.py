"""That a row does what its name says, checked with the kernel and not with the row.

Each is a ``row.Proof``.
"""

from __future__ import annotations

import re
from pathlib import Path

from exporter.demo.lab import Program
from tests.scorecard.row import Proof

_ELF_CLASS, _CLASS_32 = 4, 1
_SHORT = 100
"""Milliseconds."""


def is_32_bit(_program: Program, pid: int, _home: int) -> str:
    """Read that the program that runs is an ELF32: its system calls are those of i386."""
    with Path(f"/proc/{pid}/exe").open("rb") as executable:
        head = executable.read(_ELF_CLASS + 1)
    return "" if head[_ELF_CLASS] == _CLASS_32 else "not a 32-bit program"


def lived_short(program: Program, _pid: int, _home: int) -> str:
    """Ask the parent: the child was there for less than 100 ms."""
    lived = int(program.wait_for_line("lived").split()[1])
    return "" if lived < _SHORT else f"it lived {lived} ms"


def elsewhere(*kinds: str) -> Proof:
    """Make a proof that it is in namespaces of these kinds that are not those of the rows that are at home."""

    def differs(_program: Program, pid: int, home: int) -> str:
        same = [kind for kind in kinds if namespace(pid, kind) == namespace(home, kind)]
        return f"not in another namespace: {', '.join(same)}" if same else ""

    return differs


def first_in_its_namespace(program: Program, pid: int, home: int) -> str:
    """Read that it has pid 1 in a pid namespace of its own, and another pid outside."""
    pids = re.findall(r"^NSpid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return elsewhere("pid")(program, pid, home) or ("" if pids == [f"{pid}\t1"] else f"its pids are {pids}")


def in_chroot(_program: Program, pid: int, _home: int) -> str:
    """Read that its root is another directory than the world's."""
    return "its root is /" if Path(f"/proc/{pid}/root").readlink() == Path("/") else ""


def namespace(pid: int, kind: str) -> Path:
    """Give the name of a process's namespace."""
    return Path(f"/proc/{pid}/ns/{kind}").readlink()


def lost_segments(_program: Program, _pid: int, home: int) -> str:
    """Read that TCP has had to send segments again."""
    names, numbers = re.findall(r"^Tcp: (.*)$", Path(f"/proc/{home}/net/snmp").read_text(), re.MULTILINE)
    again = dict(zip(names.split(), numbers.split(), strict=True))["RetransSegs"]
    return "no segment was sent again" if again == "0" else ""
