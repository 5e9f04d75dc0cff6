"""The programs as the kernel holds them: they cannot refuse anything, and their maps are small."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.tracing import daemon

CGROUP_PROGRAMS = {
    "on_connect4",
    "on_connect6",
    "on_sendmsg4",
    "on_sendmsg6",
    "on_recvmsg4",
    "on_recvmsg6",
    "on_egress",
}
MOST_MAP_BYTES = 6 << 20

# linux/bpf.h and linux/bpf_common.h
CLASS, OPERATION, FROM_REGISTER = 0x07, 0xF0, 0x08
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
MOV, JA, CALL, EXIT = 0xB0, 0x00, 0x80, 0x90
WIDE = 0x18
"""BPF_LD | BPF_IMM | BPF_DW: two instructions long."""
TAIL_CALL = 0xF0
"""What the verifier makes of bpf_tail_call()."""
HELPER_CALL = 0x85
CALLED_REGISTERS = range(6)
"""Those that a call leaves with values of its own."""
REGISTERS = 12
"""With the one that the verifier keeps for itself, BPF_REG_AX."""

Known = tuple[int | None, ...]
"""The value of each register, if it is known."""


class Instruction(NamedTuple):
    """One instruction."""

    code: int
    destination: int
    source: int
    offset: int
    immediate: int


def bpftool(*words: str) -> Any:
    """Run bpftool and return its JSON."""
    done = subprocess.run(["bpftool", "-j", *words], check=True, stdout=subprocess.PIPE, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Give what bpftool says of the programs and maps of a running daemon, and no other's."""
    with daemon(tmp_path_factory.mktemp("programs")) as running:
        held = {}
        for kind in ("prog", "map"):
            numbers = set()
            for descriptor in Path(f"/proc/{running.process.pid}/fdinfo").iterdir():
                numbers |= set(re.findall(rf"^{kind}_id:\t(\d+)", descriptor.read_text(), re.MULTILINE))
            held[kind] = [one for one in bpftool(kind) if str(one["id"]) in numbers]
        yield held


@pytest.mark.parametrize("name", sorted(CGROUP_PROGRAMS))
def test_a_cgroup_program_can_only_allow(held: dict[str, list[dict[str, Any]]], name: str) -> None:
    """Whatever way a program takes through the loaded instructions, it exits with 1 in register 0."""
    (program,) = (one for one in held["prog"] if one["name"] == name)
    instructions = list(loaded(program["id"]))
    ends = known_at_exits(instructions)
    assert ends
    assert all(known[0] == 1 for known in ends.values()), f"may end otherwise at {ends}"


def test_no_program_exits_with_anything_else(held: dict[str, list[dict[str, Any]]]) -> None:
    """The others are on tracepoints, whose result is not used; none is of a kind that alters what it sees."""
    by_name = {one["name"]: one["type"] for one in held["prog"]}
    assert {name for name, kind in by_name.items() if kind in {"cgroup_skb", "cgroup_sock_addr"}} == CGROUP_PROGRAMS
    assert set(by_name.values()) == {"cgroup_skb", "cgroup_sock_addr", "tracepoint"}


def test_every_program_is_under_the_gpl(held: dict[str, list[dict[str, Any]]]) -> None:
    """As the kernel has it, and as LICENSE says."""
    assert held["prog"]
    assert all(one["gpl_compatible"] for one in held["prog"])
    assert "GNU GENERAL PUBLIC LICENSE" in (Path(__file__).parents[2] / "LICENSE").read_text()


def test_the_maps_are_small(held: dict[str, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]) -> None:
    """What the kernel charges for the maps of a daemon that has just started."""
    sizes = {one["name"]: one["bytes_memlock"] for one in held["map"]}
    with capsys.disabled():
        print(f"\nmaps: {sum(sizes.values()) / (1 << 20):.2f} MiB of {sizes}")  # noqa: T201 -- a figure to see
    assert 0 < sum(sizes.values()) <= MOST_MAP_BYTES


def test_the_check_itself_sees_a_refusal() -> None:
    """A program with one way to another result, an unknown one, a result spoilt by a call or taken from memory."""
    allow, leave = Instruction(0xB7, 0, 0, 0, 1), Instruction(0x95, 0, 0, 0, 0)
    assert [known[0] for known in known_at_exits([allow, leave]).values()] == [1]
    skip_one = Instruction(0x15, 1, 0, 1, 7)
    call, load = Instruction(HELPER_CALL, 0, 0, 0, 14), Instruction(0x79, 0, 10, -8, 0)
    for spoilt in (Instruction(0xB7, 0, 0, 0, 0), Instruction(0x07, 0, 0, 0, 1), call, load):
        assert [known[0] for known in known_at_exits([allow, skip_one, spoilt, leave]).values()] == [None]
    with pytest.raises(AssertionError, match="another program"):
        known_at_exits([allow, Instruction(HELPER_CALL, 0, 1, 1, 1), leave])


def loaded(number: int) -> Iterator[Instruction]:
    """Yield the instructions of a program as the verifier left them, a wide one with its second half."""
    for line in bpftool("prog", "dump", "xlated", "id", str(number), "opcodes"):
        if "opcodes" not in line:
            continue
        opcode = line["opcodes"]
        offset = int.from_bytes(bytes(int(byte, 16) for byte in opcode["off"]), "little", signed=True)
        immediate = int.from_bytes(bytes(int(byte, 16) for byte in opcode["imm"][:4]), "little", signed=True)
        code = int(opcode["code"], 16)
        yield Instruction(code, int(opcode["dst_reg"], 16), int(opcode["src_reg"], 16), offset, immediate)
        if code == WIDE:
            yield Instruction(0, 0, 0, 0, 0)


def known_at_exits(instructions: list[Instruction]) -> dict[int, Known]:
    """Follow every way through a program, and give what is known of the registers at each exit that can be reached.

    Constants are carried along; where two ways meet, only what they agree on stays known; whatever is not a constant
    moved into a register or from another makes its register unknown. A branch is taken to go either way. So what is
    known here is true of every run.
    """
    before: dict[int, Known] = {0: (None,) * REGISTERS}
    exits: dict[int, Known] = {}
    waiting = [0]
    while waiting:
        at = waiting.pop()
        instruction = instructions[at]
        assert not calls_another_program(instruction), f"{at} calls another program"
        if instruction.code == JMP | EXIT:
            exits[at] = before[at]
            continue
        after = step(instruction, before[at])
        for follower in followers(instructions, at):
            met = after if follower not in before else meet(before[follower], after)
            if before.get(follower) != met:
                before[follower] = met
                waiting.append(follower)
    return exits


def calls_another_program(instruction: Instruction) -> bool:
    """Say whether it is a call of a function of ours, or a tail call: the exit that counts is then elsewhere."""
    return instruction.code == HELPER_CALL and (instruction.source == 1 or instruction.immediate == TAIL_CALL)


def step(instruction: Instruction, known: Known) -> Known:
    """Carry what is known over one instruction."""
    registers = list(known)
    kind, operation = instruction.code & CLASS, instruction.code & OPERATION
    if kind in {ALU, ALU64} and operation == MOV and not instruction.offset:
        value = known[instruction.source] if instruction.code & FROM_REGISTER else instruction.immediate
        registers[instruction.destination] = value if kind == ALU64 or value is None else value & 0xFFFFFFFF
    elif kind in {ALU, ALU64, LD, LDX}:
        registers[instruction.destination] = None
    elif kind == STX:
        registers[instruction.source] = None  # an atomic operation may fetch into it,
        registers[0] = None  # or, comparing, into this one
    elif instruction.code == HELPER_CALL:
        for register in CALLED_REGISTERS:
            registers[register] = None
    return tuple(registers)


def followers(instructions: list[Instruction], at: int) -> list[int]:
    """Give where the program may go on."""
    instruction = instructions[at]
    kind, operation = instruction.code & CLASS, instruction.code & OPERATION
    if kind not in {JMP, JMP32} or operation == CALL:
        return [at + 2 if instruction.code == WIDE else at + 1]
    if operation == JA:
        return [at + 1 + (instruction.offset if kind == JMP else instruction.immediate)]
    return [at + 1, at + 1 + instruction.offset]


def meet(one: Known, other: Known) -> Known:
    """Keep what two ways agree on."""
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))
