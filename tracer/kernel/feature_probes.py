"""Trying what the kernel takes, with programs that do nothing, attached to nothing, and gone at once.

Every call raises OSError; EPERM if privileges lack, or lockdown, a security module or seccomp forbids it; EINVAL
if the kernel knows no such thing. Sources: bpf(2), linux/bpf.h, libbpf's bpf.h.
"""

from __future__ import annotations

import ctypes
import mmap
import os

__all__ = ["knows_helper", "try_program", "try_ring"]

_RINGBUF = 27
_RING_BYTES = mmap.PAGESIZE
# r0 = 1; exit: "allow" for a program on a cgroup, nothing for one on a tracepoint.
_ALLOW = bytes.fromhex("b7000000010000009500000000000000")
_INSTRUCTION_BYTES = 8
_CALL = b"\x85\0\0\0"


class _LoadOptions(ctypes.Structure):
    """The head of struct bpf_prog_load_opts; libbpf goes by the size."""

    _fields_ = (("bytes", ctypes.c_size_t), ("attempts", ctypes.c_int), ("attach_type", ctypes.c_int))


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libbpf.so.1")
    library.libbpf_set_print(None)
    library.bpf_prog_load.argtypes = [
        *(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
    ]
    return library


def _close(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    os.close(result)


def try_program(program_type: int, attach_type: int = 0) -> None:
    """Load a program of one kind: enum bpf_prog_type and bpf_attach_type."""
    _load(program_type, attach_type, _ALLOW)


def knows_helper(program_type: int, helper: int) -> bool:
    """Say whether a program of one kind may call a helper (enum bpf_func_id) with nothing but its context.

    libbpf 1.1 (libbpf_probe_bpf_helper) goes by the verifier's words, and takes those of newer kernels for a yes:
    "program of this type cannot use helper" was "unknown func" before (kernel/bpf/verifier.c).
    """
    try:
        _load(program_type, 0, _CALL + helper.to_bytes(4, "little") + _ALLOW)
    except OSError:
        return False
    return True


def _load(program_type: int, attach_type: int, code: bytes) -> None:
    options = _LoadOptions(ctypes.sizeof(_LoadOptions), 1, attach_type)
    size = len(code) // _INSTRUCTION_BYTES
    _close(_library().bpf_prog_load(program_type, b"trial", b"GPL", code, size, ctypes.byref(options)))


def try_ring() -> None:
    """Make a ring buffer."""
    _close(_library().bpf_map_create(_RINGBUF, b"trial", 0, 0, _RING_BYTES, None))
