"""What can be read of a process that is not trusted: by name, with plain values, as one line of JSON each way.

Each root reader (:mod:`tracer.observe.root_reader_process`) imports it, and pays for whatever it imports.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tracer.observe import rootfs
from tracer.observe.commands import commands
from tracer.observe.dnsmasq import resolv_files
from tracer.observe.maps import maps_hosts_table
from tracer.observe.path_watch import watch_path

Values = Iterable[Any]


class _Kind(NamedTuple):
    read: Callable[..., Any]
    """Takes the ``proc`` and the pid of a process, and more."""
    plain: Callable[[Any], Any]
    """Turns the result into what JSON holds."""
    found: Callable[[Any], Any]
    """And back."""


def _as_it_is(value: Any) -> Any:
    return value


def _below_root(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_below(proc: str, pid: int, *arguments: Any) -> Any:
        with rootfs.root_of(proc, pid) as root:
            return read(root, *arguments)

    return read_below


def _identity(values: Values | None) -> rootfs.Identity | None:
    return rootfs.Identity(*values) if values is not None else None


def _signature(values: Values | None) -> rootfs.Signature | None:
    if values is None:
        return None
    identity, *others = values
    return rootfs.Signature(rootfs.Identity(*identity), *others)


def _place(values: Values) -> rootfs.Place:
    directory, mounted, file = values
    return rootfs.Place(rootfs.Identity(*directory), _identity(mounted), _identity(file))


def _changed_file(root: int, path: str, known: Values | None) -> rootfs.FileStatus:
    return rootfs.changed_file(root, path, _signature(known))


def _plain_status(status: rootfs.FileStatus) -> Values:
    return (status.place, status.signature, None if status.lines is None else _text(status.lines))


def _file_status(values: Values) -> rootfs.FileStatus:
    place, signature, lines = values
    return rootfs.FileStatus(_place(place), _signature(signature), None if lines is None else _bytes(lines))


def _of_many(read: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Read of many files, each below the root of a process, or say which OSError was raised for it."""

    def read_many(proc: str, _pid: int, *wanted: tuple[Any, ...]) -> list[Any]:
        seen: list[Any] = []
        for pid, *arguments in wanted:
            try:
                with rootfs.root_of(proc, pid) as root:
                    seen.append(read(root, *arguments))
            except OSError as error:
                seen.append(error)
        return seen

    return read_many


def _plain_many(plain: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda seen: [_plain_error(one) if isinstance(one, OSError) else plain(one) for one in seen]


def _found_many(found: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [_error(value) if isinstance(value, dict) else found(value) for value in values]


def _plain_watches(watches: dict[int, set[bytes]]) -> list[Any]:
    return [(watch, [_text(name) for name in names]) for watch, names in watches.items()]


def _watches(values: Values) -> dict[int, set[bytes]]:
    return {watch: {_bytes(name) for name in names} for watch, names in values}


def _plain_error(error: OSError) -> dict[str, Any]:
    return {"errno": error.errno, "not_now": isinstance(error, BlockingIOError)}


def _error(plain: dict[str, Any]) -> OSError:
    number = plain["errno"] or 0
    return (BlockingIOError if plain["not_now"] else OSError)(number, os.strerror(number))


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _bytes(value: str) -> bytes:
    return value.encode("latin-1")


_KINDS = {
    "signature": _Kind(_below_root(rootfs.signature), _as_it_is, _signature),
    "place": _Kind(_below_root(rootfs.place), _as_it_is, _place),
    "file_status": _Kind(_below_root(rootfs.file_status), _plain_status, _file_status),
    "changed_files": _Kind(_of_many(_changed_file), _plain_many(_plain_status), _found_many(_file_status)),
    "watch_paths": _Kind(_of_many(watch_path), _plain_many(_plain_watches), _found_many(_watches)),
    "lines": _Kind(_below_root(rootfs.read_lines_that_matter), _text, _bytes),
    "is_same_file": _Kind(_below_root(rootfs.is_same_file), _as_it_is, _as_it_is),
    "resolv_files": _Kind(resolv_files, _as_it_is, _as_it_is),
    "commands": _Kind(commands, _as_it_is, _as_it_is),
    "maps_hosts_table": _Kind(maps_hosts_table, _as_it_is, _as_it_is),
}


def read_directly(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
    """Read it from this process. Raises OSError."""
    return _KINDS[kind].read(proc, pid, *arguments)


def request(kind: str, proc: str, pid: int, *arguments: Any) -> bytes:
    """Encode a request."""
    return _line([kind, proc, pid, *arguments])


def reply_to(requested: bytes) -> bytes:
    """Serve a request; gives the encoded result, or which OSError was raised."""
    kind, *arguments = json.loads(requested)
    try:
        return _line({"found": _KINDS[kind].plain(read_directly(kind, *arguments))})
    except OSError as error:
        return _line(_plain_error(error))
    except Exception:  # noqa: BLE001 - nothing below that root may end the reader
        return _line({"errno": errno.EIO, "not_now": False})


def found(kind: str, reply: bytes) -> Any:
    """Decode a reply. Raises OSError, a BlockingIOError if it may be otherwise in a moment."""
    decoded = json.loads(reply)
    if "found" in decoded:
        return _KINDS[kind].found(decoded["found"])
    raise _error(decoded)


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
