"""What is read from a task itself, on kernels whose programs on packets may not call the helpers for it."""

from __future__ import annotations

import json
import subprocess

from tracer.kernel import btf_offsets

BTF = "/sys/kernel/btf/vmlinux"


def test_the_places_are_as_bpftool_reads_them() -> None:
    """Each of them, on this kernel; and that pid and tgid lie beside each other, to be read at once."""
    dump = subprocess.run(["bpftool", "-j", "btf", "dump", "file", BTF], check=True, capture_output=True).stdout
    structs = {one["name"]: one["members"] for one in json.loads(dump)["types"] if one["kind"] == "STRUCT"}

    def place(structure: str, field: str) -> int:
        return next(int(member["bits_offset"]) for member in structs[structure] if member["name"] == field) // 8

    for places in (btf_offsets.TASK, btf_offsets.FILE):
        assert btf_offsets.offsets(places) == {name: place(*where) for name, where in places.items()}
    assert place("task_struct", "tgid") == place("task_struct", "pid") + 4
