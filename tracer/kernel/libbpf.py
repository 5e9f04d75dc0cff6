"""The few calls of libbpf.so.1 that are needed once the programs are loaded; libbcc brings the library along.

Everything works on descriptors that the loader handed over: no call here needs CAP_BPF on kernels from 5.19.
Sources: bpf(2), libbpf's bpf.h and libbpf.h.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

ANY = 0
NO_EXIST = 1
_BATCH = 512


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    library.libbpf_set_print(None)
    library.ring_buffer__new.restype = ctypes.c_void_p
    library.ring_buffer__new.argtypes = [ctypes.c_int, _SAMPLE, ctypes.c_void_p, ctypes.c_void_p]
    for name in ("ring_buffer__consume", "ring_buffer__epoll_fd", "ring_buffer__free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    return library


_SAMPLE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def _raise_negative(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def create_link(program: int, target: int, attach_type: int) -> int:
    """Attach a program to a cgroup by a link, which goes with its descriptor however the process dies.

    Raises OSError; EPERM if a foreign program holds the cgroup without BPF_F_ALLOW_MULTI.
    """
    return _raise_negative(_library().bpf_link_create(program, target, attach_type, None))


class Map:
    """One map, by its descriptor. Keys and values are bytes."""

    def __init__(self, descriptor: int, key_bytes: int, value_bytes: int, capacity: int) -> None:
        self.descriptor = descriptor
        self.key_bytes = key_bytes
        self.value_bytes = value_bytes
        self.capacity = capacity

    def get(self, key: bytes) -> bytes | None:
        """Look one key up; None where it is not there."""
        value = ctypes.create_string_buffer(self.value_bytes)
        result = _library().bpf_map_lookup_elem(self.descriptor, key, value)
        if result == -errno.ENOENT:
            return None
        _raise_negative(result)
        return value.raw

    def put(self, key: bytes, value: bytes, flags: int = ANY) -> bool:
        """Set one key. False if NO_EXIST was given and it is there, or the map is full; else raises OSError."""
        result = _library().bpf_map_update_elem(self.descriptor, key, value, ctypes.c_uint64(flags))
        if result in (-errno.EEXIST, -errno.E2BIG):
            return False
        _raise_negative(result)
        return True

    def delete(self, key: bytes) -> None:
        """Remove one key, if it is there."""
        with suppress(FileNotFoundError):
            _raise_negative(_library().bpf_map_delete_elem(self.descriptor, key))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Give every entry, read in batches."""
        return self._batches("bpf_map_lookup_batch")

    def drain(self) -> Iterator[tuple[bytes, bytes]]:
        """Give every entry and remove it, in batches."""
        return self._batches("bpf_map_lookup_and_delete_batch")

    def _batches(self, call: str) -> Iterator[tuple[bytes, bytes]]:
        operation = getattr(_library(), call)
        # The position is a bucket number for the hash maps, a key for others: room for either.
        position = ctypes.create_string_buffer(max(self.key_bytes, 8))
        room = _BATCH
        begun = False
        while True:
            keys = ctypes.create_string_buffer(self.key_bytes * room)
            values = ctypes.create_string_buffer(self.value_bytes * room)
            count = ctypes.c_uint32(room)
            result = operation(
                self.descriptor, position if begun else None, position, keys, values, ctypes.byref(count), None
            )
            if result == -errno.ENOSPC:  # a bucket holds more than there is room for
                room *= 2
                continue
            if result != -errno.ENOENT:
                _raise_negative(result)
            yield from zip(
                _slices(keys.raw, self.key_bytes, count.value),
                _slices(values.raw, self.value_bytes, count.value),
                strict=True,
            )
            if result == -errno.ENOENT:
                return
            begun = True


class Array:
    """An array map (BPF_F_MMAPABLE) in this process's memory: read and written without a system call."""

    def __init__(self, layout: Map) -> None:
        """Map it. Raises OSError."""
        self._stride = -(-layout.value_bytes // 8) * 8  # kernel/bpf/arraymap.c: elements begin at multiples of eight
        self._value_bytes = layout.value_bytes
        self._memory = mmap.mmap(layout.descriptor, self._stride * layout.capacity)

    def get(self, index: int) -> bytes:
        """Give one value."""
        at = self._stride * index
        return self._memory[at : at + self._value_bytes]

    def put_begin(self, index: int, begin: bytes) -> None:
        """Overwrite the first bytes of one value."""
        at = self._stride * index
        self._memory[at : at + len(begin)] = begin

    def close(self) -> None:
        """Unmap it."""
        self._memory.close()


def _slices(data: bytes, size: int, count: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, size * count, size))


class RingBuffer:
    """The ring buffer that the programs write records to."""

    def __init__(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        """Map the ring. ``receive`` gets each record's bytes. Raises OSError."""

        def sample(_context: int | None, data: int, size: int) -> int:
            try:
                receive(ctypes.string_at(data, size))
            except Exception as error:  # noqa: BLE001 - ctypes would print it and go on
                self._errors.append(error)
            return 0

        self._errors: list[Exception] = []
        self._callback = _SAMPLE(sample)  # the library keeps only its address
        self._ring = _library().ring_buffer__new(descriptor, self._callback, None, None)
        if not self._ring:
            number = ctypes.get_errno()
            raise OSError(number, f"ring buffer: {os.strerror(number)}")

    @property
    def epoll_descriptor(self) -> int:
        """Readable when there are records."""
        return int(_library().ring_buffer__epoll_fd(self._ring))

    def consume(self) -> None:
        """Hand every record that is there to ``receive``, oldest first; raises what that raised first."""
        _raise_negative(_library().ring_buffer__consume(self._ring))
        if self._errors:
            error, *_ = self._errors
            self._errors.clear()
            raise error

    def close(self) -> None:
        """Unmap the ring."""
        if self._ring:
            _library().ring_buffer__free(self._ring)
            self._ring = None


class _ProgramInfo(ctypes.Structure):
    """The head of struct bpf_prog_info, linux/bpf.h, as far as the run counters."""

    _fields_ = (
        ("_before", ctypes.c_uint8 * 192),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
    )


def run_counts(program: int) -> tuple[int | None, float | None]:
    """Give how often a program ran and for how many seconds; None if the kernel keeps no count.

    It keeps one only if sysctl kernel.bpf_stats_enabled is 1.
    """
    info = _ProgramInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    if _library().bpf_obj_get_info_by_fd(program, ctypes.byref(info), ctypes.byref(size)) or not info.run_cnt:
        return None, None
    return info.run_cnt, info.run_time_ns / 1e9
