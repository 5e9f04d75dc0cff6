"""What can be looked at of a process that nobody trusts: by name, with plain values, as one line of JSON each way.

A lookout answers with it (:mod:`tracer.observe.lookout`), so whatever it imports is paid for in each of them.
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

Values = Iterable[Any]


class _Kind(NamedTuple):
    look: Callable[..., Any]
    """Takes the ``proc`` and the pid of a process, and more."""
    plain: Callable[[Any], Any]
    """Makes what JSON holds of what was found."""
    found: Callable[[Any], Any]
    """The other way."""


def _as_it_is(value: Any) -> Any:
    return value


def _below_root(read: Callable[..., Any]) -> Callable[..., Any]:
    def look_below(proc: str, pid: int, *arguments: Any) -> Any:
        with rootfs.root_of(proc, pid) as root:
            return read(root, *arguments)

    return look_below


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


def _glance(values: Values) -> rootfs.Glance:
    place, signature = values
    return rootfs.Glance(_place(place), _signature(signature))


def _glances(proc: str, _pid: int, *wanted: tuple[int, str]) -> list[rootfs.Glance | OSError]:
    """Look at many files, each below the root of a process."""
    seen: list[rootfs.Glance | OSError] = []
    for pid, path in wanted:
        try:
            with rootfs.root_of(proc, pid) as root:
                seen.append(rootfs.glance(root, path))
        except OSError as error:
            seen.append(error)
    return seen


def _plain_glances(seen: list[rootfs.Glance | OSError]) -> list[Any]:
    return [_plain_error(one) if isinstance(one, OSError) else one for one in seen]


def _found_glances(values: list[Any]) -> list[rootfs.Glance | OSError]:
    return [_error(value) if isinstance(value, dict) else _glance(value) for value in values]


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
    "glance": _Kind(_below_root(rootfs.glance), _as_it_is, _glance),
    "glances": _Kind(_glances, _plain_glances, _found_glances),
    "lines": _Kind(_below_root(rootfs.read_lines_that_matter), _text, _bytes),
    "is_same_file": _Kind(_below_root(rootfs.is_same_file), _as_it_is, _as_it_is),
    "resolv_files": _Kind(resolv_files, _as_it_is, _as_it_is),
    "commands": _Kind(commands, _as_it_is, _as_it_is),
    "maps_hosts_table": _Kind(maps_hosts_table, _as_it_is, _as_it_is),
}


def look(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
    """Look at once, from this process. Raises OSError."""
    return _KINDS[kind].look(proc, pid, *arguments)


def request(kind: str, proc: str, pid: int, *arguments: Any) -> bytes:
    """Write down what is to be looked at."""
    return _line([kind, proc, pid, *arguments])


def reply_to(requested: bytes) -> bytes:
    """Look, and write down what was found, or which OSError was raised."""
    kind, *arguments = json.loads(requested)
    try:
        return _line({"found": _KINDS[kind].plain(look(kind, *arguments))})
    except OSError as error:
        return _line(_plain_error(error))
    except Exception:  # noqa: BLE001 - whatever stands below that root, it ends nobody
        return _line({"errno": errno.EIO, "not_now": False})


def found(kind: str, reply: bytes) -> Any:
    """Read what was found. Raises OSError, a BlockingIOError where it may be otherwise in a moment."""
    told = json.loads(reply)
    if "found" in told:
        return _KINDS[kind].found(told["found"])
    raise _error(told)


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
