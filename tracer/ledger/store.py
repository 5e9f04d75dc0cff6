"""The state directory: what a restarted daemon has to know of this boot.

One file holds everything at some time, and is replaced as a whole (write, rename); a second one, the journal, what has
changed in each tick since. So a daemon that is killed loses its running tick at most. Neither is forced to the disk:
what was written is there for the next daemon of the same boot, and says nothing to any other. A file that cannot be
used is kept under another name and reported, and a new one is begun.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tracer.errors import ResolvtraceError
from tracer.ledger.plain import dump, structure
from tracer.ledger.saved import SCHEMA, Saved, merged
from tracer.resolvconf.view import HOST

_NAME, _JOURNAL, _LOCK = "state.json", "journal.jsonl", "lock"
_TAKES_NOTHING = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT})
_LEAST_JOURNAL = 1 << 18
"""Bytes from which the journal is replaced by a new state, if it is as long as that."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found. ``killed``: the daemon before this one did not end by itself. ``problem``: why it is not used."""

    saved: Saved = field(default_factory=Saved)
    killed: bool = False
    problem: str | None = None


class Store:
    """The state directory, of one daemon at a time."""

    def __init__(self, directory: Path) -> None:
        """Make the directory, for root alone, and take it. Raises ResolvtraceError."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _open_lock(directory)
        except OSError as error:
            raise ResolvtraceError(
                f"the state directory {directory} cannot be used ({error.strerror})", "name another with --state-dir"
            ) from error
        self._file = directory / _NAME
        self._journal_file = directory / _JOURNAL
        self._journal: IO[bytes] | None = None
        self._serial = self._saved_bytes = self._journal_bytes = 0
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ResolvtraceError(
                f"another daemon uses the state directory {directory}", "stop it, or name another with --state-dir"
            ) from error

    def load(self, boot_id: str) -> Loaded:
        """Read what was saved in this boot; what is of another boot, or not there, counts as nothing."""
        try:
            head = json.loads(self._file.read_bytes())
            if head["schema"] != SCHEMA:
                return self._set_aside(f"its schema is {head['schema']!r}, not {SCHEMA!r}")
            if head["boot_id"] != boot_id:
                return Loaded()
            saved = self._with_journal(structure(Saved, head["saved"]), head["serial"])
            _check(saved)
            return Loaded(saved, killed=not head["ended"])
        except FileNotFoundError:
            return Loaded()
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            return self._set_aside(f"it cannot be read ({error!r})")

    def _with_journal(self, saved: Saved, serial: int) -> Saved:
        self._serial = serial
        try:
            first, *lines = self._journal_file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return saved
        if first != str(serial).encode():  # it went with the state before
            return saved
        # What is left behind the last newline was being written.
        return merged([saved, *(structure(Saved, json.loads(line)) for line in lines[:-1])])

    def _set_aside(self, why: str) -> Loaded:
        aside = self._file.with_suffix(".unusable")
        try:
            self._file.replace(aside)
            self._journal_file.unlink(missing_ok=True)
            kept = f"kept as {aside}"
        except OSError as error:
            kept = f"not even renamed ({error.strerror})"
        return Loaded(problem=f"the saved state is not used, {kept}: {why}")

    def save(self, boot_id: str, saved: Saved, *, ended: bool = False) -> None:
        """Replace what was saved. Raises OSError; what was saved before is then still there.

        ``ended``: this daemon is about to end, and nothing is missing.
        """
        new = self._file.with_suffix(".new")
        serial = self._serial + 1
        head = {"schema": SCHEMA, "boot_id": boot_id, "ended": ended, "serial": serial, "saved": saved}
        data = dump(head).encode()
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
            new.replace(self._file)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._serial, self._saved_bytes = serial, len(data)
        self._close_journal()
        self._journal_file.unlink(missing_ok=True)

    def append(self, saved: Saved) -> None:
        """Note what has changed. Raises OSError: then only a new :meth:`save` makes it whole."""
        if self._journal is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._journal = open(os.open(self._journal_file, flags, 0o600), "wb", buffering=0)  # noqa: SIM115
            self._write(f"{self._serial}\n".encode())
        self._write(dump(saved).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        if self._journal is None or self._journal.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._journal_bytes += len(line)

    @property
    def journal_is_long(self) -> bool:
        """Whether it is time for a new :meth:`save`: the journal costs more to read than that."""
        return self._journal_bytes > max(_LEAST_JOURNAL, self._saved_bytes)

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._journal_bytes = 0

    def close(self) -> None:
        """Leave the directory to others."""
        self._close_journal()
        os.close(self._lock)


def _open_lock(directory: Path) -> int:
    """Open what is locked: a file, or the directory itself if that is read-only or full."""
    try:
        return os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _TAKES_NOTHING:
            raise
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _check(saved: Saved) -> None:
    """Raise ValueError if a value cannot be what it says."""
    for name, view in saved.views.items():
        if not view.history.generations:
            raise ValueError("a view without a generation")
        int("0" if name == HOST else name.partition(":")[0])
