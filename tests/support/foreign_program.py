"""Somebody else's program on a cgroup: it counts its runs and allows what it sees."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from tracer.kernel import libbpf
from tracer.kernel.programs import BPF_PROG_TYPE_CGROUP_SOCK_ADDR

SENDMSG4 = 14
MODES = {"none": 0, "override": 1, "multi": 2}
"""Flags of bpf_prog_attach(); a `link` is the fourth way, and coexists as `multi` does."""
NAME = "foreign"
_ARRAY = 2
_BYTES = 8


class _LoadOptions(ctypes.Structure):
    """The head of struct bpf_prog_load_opts, libbpf's bpf.h; libbpf goes by the size."""

    _fields_ = (("bytes", ctypes.c_size_t), ("attempts", ctypes.c_int), ("attach_type", ctypes.c_int))


def _instruction(code: int, destination: int = 0, source: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | destination, 0, immediate)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


class ForeignProgram:
    """A program on one cgroup, attached for a `with` block. Raises OSError if the kernel refuses it."""

    def __init__(self, cgroup: Path, mode: str) -> None:
        self._cgroup = cgroup
        self._mode = mode
        self._library = ctypes.CDLL("libbpf.so.1")
        self._map = libbpf.Map(
            _checked(self._library.bpf_map_create(_ARRAY, NAME.encode(), 4, _BYTES, 1, None)), 4, _BYTES, 1
        )
        self._link: int | None = None
        self._program = self._load()

    def _load(self) -> int:
        text = b"".join(
            (
                _instruction(0x18, 1, 2, self._map.descriptor),  # r1 = the map's value
                _instruction(0x00),
                _instruction(0xB7, 2, 0, 1),  # r2 = 1
                _instruction(0xDB, 1, 2),  # lock *(u64 *)r1 += r2
                _instruction(0xB7, 0, 0, 1),  # r0 = 1: allow
                _instruction(0x95),
            )
        )
        options = _LoadOptions(ctypes.sizeof(_LoadOptions), 1, SENDMSG4)
        return _checked(
            self._library.bpf_prog_load(
                BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                NAME.encode(),
                b"GPL",
                ctypes.c_char_p(text),
                ctypes.c_size_t(len(text) // 8),
                ctypes.byref(options),
            )
        )

    def runs(self) -> int:
        """Tell how often it ran."""
        return int.from_bytes(self._map.get(bytes(4)) or b"", "little")

    def __enter__(self) -> Self:
        directory = os.open(self._cgroup, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if self._mode == "link":
                self._link = libbpf.create_link(self._program, directory, SENDMSG4)
            else:
                _checked(self._library.bpf_prog_attach(self._program, directory, SENDMSG4, MODES[self._mode]))
        except OSError:
            self._close()
            raise
        finally:
            os.close(directory)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Detach it, and no other."""
        if self._link is None:
            directory = os.open(self._cgroup, os.O_RDONLY | os.O_DIRECTORY)
            self._library.bpf_prog_detach2(self._program, directory, SENDMSG4)
            os.close(directory)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._link, self._program, self._map.descriptor):
            if descriptor is not None:
                os.close(descriptor)
