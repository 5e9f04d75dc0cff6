"""Waiting until every BPF program that was running has ended: an RCU grace period, since programs run inside RCU.

Changing an element of a map of maps waits for one, so that no program is still at the map that was there before
(kernel/bpf/syscall.c, maybe_wait_bpf_programs). membarrier(2) does too, but the kernel refuses it with nohz_full.
"""

from __future__ import annotations

import ctypes
import os

from tracer.kernel import libbpf

__all__ = ["GracePeriod"]

_ARRAY_OF_MAPS = 12  # enum bpf_map_type, linux/bpf.h
_KEY = bytes(4)


class _CreateOptions(ctypes.Structure):
    """The head of struct bpf_map_create_opts, libbpf's bpf.h; libbpf goes by the size."""

    _fields_ = (
        ("bytes", ctypes.c_size_t),
        ("_types", ctypes.c_uint32 * 4),
        ("inner_map", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class GracePeriod:
    """A map of one map: to make it takes CAP_BPF, to wait by it does not on kernels from 5.19."""

    def __init__(self, inner: libbpf.Map) -> None:
        """Make it, with any map, which stays open as long. Raises OSError."""
        options = _CreateOptions(bytes=ctypes.sizeof(_CreateOptions), inner_map=inner.descriptor)
        create = ctypes.CDLL("libbpf.so.1").bpf_map_create
        descriptor = create(_ARRAY_OF_MAPS, b"grace_period", len(_KEY), 4, 1, ctypes.byref(options))
        if descriptor < 0:
            raise OSError(-descriptor, os.strerror(-descriptor))
        self._map = libbpf.Map(descriptor, len(_KEY), 4, 1)
        self._inner = inner.descriptor.to_bytes(4, "little")

    def wait(self) -> None:
        """Return when every program that was running at the call has ended: some milliseconds. Raises OSError."""
        self._map.put(_KEY, self._inner)

    def close(self) -> None:
        """Give it back."""
        os.close(self._map.descriptor)
