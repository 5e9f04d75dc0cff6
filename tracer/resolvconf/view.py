"""One resolv.conf as processes see it, and how it changes over time.

It is read through the root directory of a process that sees it. What is read is believed, and not what inotify
reports: that only says when to refresh it (:mod:`tracer.resolvconf.refresh_schedule`).
"""

from __future__ import annotations

from dataclasses import dataclass

from tracer.clock import Clock
from tracer.observe import rootfs
from tracer.observe.roots import Root
from tracer.resolvconf.history import History, first_generation, follow
from tracer.resolvconf.parser import ResolvConf, parse

RESOLV_CONF = "/etc/resolv.conf"
HOST = "host"
"""The name of the view that PID 1 sees."""
FEW_ANCHORS = 16
"""As many are kept whether they live or not."""
_MILLISECOND = 1_000_000
# How long a state of the file has to last. A renamed file is whole. One that is written in place may not be yet, and an
# empty one is most often a writer (dhclient, cloud-init, Docker) that has truncated and not yet written.
_SETTLE_WRITTEN = 200 * _MILLISECOND
_SETTLE_EMPTY = 500 * _MILLISECOND
# Another file than before that is not known to have been renamed: written and renamed within a tick of the coarse clock
# that dates files, or made in place, which a writer does at once.
_SETTLE_NEW = 20 * _MILLISECOND
# A container may write a hundred megabytes over and over: a large file is read for a twentieth of the time at most.
_REST = 20
_UNSEEN = rootfs.Signature(rootfs.Identity(0, 0), -1, 0, 0, regular=False)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A state of the file that may turn out to be a passing one."""

    signature: rootfs.Signature | None
    conf: ResolvConf
    began: int
    since: int
    settle: int


class View:
    """One resolv.conf as processes see it."""

    def __init__(self, name: str, path: str, mount_ns: int | None, directory: rootfs.Identity) -> None:
        self.id = name
        self.path = path
        self.mount_ns = mount_ns
        self.directory = directory
        self.mounted: rootfs.Identity | None = None
        """The file that was mounted over it, when it was last refreshed."""
        self.inside = ""
        """The directory that was `/` to who saw it first, where that was a chroot(2): `/var/spool/postfix`."""
        self.history: History
        self.changes = 0
        self.anchors: dict[int, int] = {}
        """Processes that see it: pid to root, as the lineage numbers roots."""
        self.most_anchors = 2 * FEW_ANCHORS
        """How many there may be until those that have exited are dropped."""
        self._signature: rootfs.Signature | None = _UNSEEN
        self._pending: _Pending | None = None
        self._refreshed = 0
        self._large_again = 0
        self._is_put_off = False
        self._absent: int | None = None

    def begin(self, root: Root, clock: Clock, history: History | None) -> None:
        """Read it for the first time; ``history`` is what the previous daemon knew of it."""
        if history is not None:
            self.history = history
            self._refreshed = history.current.noticed
            self.update(root.file_status(self.path), root, clock)
            return
        now = clock.boot()
        self._signature = root.signature(self.path)
        conf = parse(root.lines_that_matter(self.path))
        self.history = first_generation(conf, now, _changed(self._signature, clock) or now)
        self._refreshed = now

    def update(self, status: rootfs.FileStatus, root: Root, clock: Clock) -> bool:
        """Note how the file is now; True if that made a new generation. Raises OSError, see :class:`Root`.

        ``root`` is where the file is read if it changed, and was not read with its status.
        """
        signature = status.signature
        now = clock.boot()
        self._is_put_off = False
        if signature is not None:
            self._absent = None
        if self._pending is None and signature == self._signature:
            self._refreshed = now
            return False
        if self._pending is None or self._pending.signature != signature:
            if signature and signature.bytes > rootfs.SMALL_BYTES and now < self._large_again:
                self._is_put_off = True
                return False
            try:
                self._pending = self._read(root, status, clock, now)
            finally:
                self._large_again = now + _REST * (clock.boot() - now)
        pending = self._pending
        if now - pending.since < pending.settle:
            return False
        self._pending = None
        self._signature = signature
        return self._accept(self.history, pending.conf, pending.began, now)

    def note_absent(self, at: int) -> None:
        """Note that a process found no such file: of a file that is gone nothing else says since when."""
        if self._absent is None:
            self._absent = at

    @property
    def file(self) -> rootfs.Identity | None:
        """The file as it was last seen; None if there is none."""
        seen = self.seen
        return seen.identity if seen is not None and seen is not _UNSEEN else None

    @property
    def seen(self) -> rootfs.Signature | None:
        """The file's signature when it was last refreshed, believed or not; None if there was no file."""
        return self._pending.signature if self._pending is not None else self._signature

    @property
    def place(self) -> rootfs.Place:
        """Where it was, and its file, when it was last refreshed."""
        return rootfs.Place(self.directory, self.mounted, self.file)

    def move(self, place: rootfs.Place) -> None:
        """Note that it is elsewhere now."""
        self.directory, self.mounted = place.directory, place.mounted

    def resume(self, seen: View) -> None:
        """Go on with what has just been seen of it through another process."""
        self.history = seen.history
        self.mounted = seen.mounted
        self._signature, self._refreshed = seen._signature, seen._refreshed

    @property
    def refreshed(self) -> int:
        """When it was last seen to be as the history says; nanoseconds of boot time."""
        return self._refreshed

    @property
    def location(self) -> str:
        """Where an administrator finds the file: below the directory that processes with this view have for root."""
        return self.inside + self.path

    def note_unchanged(self, until: int) -> None:
        """Note that it was as the history says until then: no change was reported."""
        if self._pending is None:
            self._refreshed = max(self._refreshed, until)

    @property
    def settles_at(self) -> int | None:
        """When a change that has been seen may be believed, or read if the file is large; None if there is none."""
        if self._is_put_off:
            return self._large_again
        return self._pending.since + self._pending.settle if self._pending is not None else None

    def _read(self, root: Root, status: rootfs.FileStatus, clock: Clock, now: int) -> _Pending:
        signature = status.signature
        conf = parse(root.lines_that_matter(self.path) if status.lines is None else status.lines)
        changed = min(_changed(signature, clock) or self._absent or now, now)
        began = max(changed, self._refreshed)
        # A rename sets the ctime and leaves the mtime: the file was whole before it came here.
        renamed = signature is not None and signature.changed > signature.modified
        settle = _SETTLE_EMPTY if conf.implicit else 0 if renamed else _SETTLE_WRITTEN
        if settle == _SETTLE_WRITTEN and self._is_another_file(signature):
            settle = _SETTLE_NEW
        # What changed before this daemon read it has lasted since then.
        since = changed if self._signature is _UNSEEN else now
        return _Pending(signature, conf, began, since, settle)

    def _is_another_file(self, signature: rootfs.Signature | None) -> bool:
        before = self._signature
        if signature is None or before is None or before is _UNSEEN:
            return False
        return before.identity != signature.identity

    def _accept(self, history: History, conf: ResolvConf, began: int, now: int) -> bool:
        self.history = follow(history, conf, began, now)
        is_new = self.history.current.number != history.current.number
        self.changes += is_new
        return is_new


def _changed(signature: rootfs.Signature | None, clock: Clock) -> int | None:
    """Give when a file last changed, in boot time: its ctime, which a rename sets too."""
    return signature.changed - clock.wall_offset() if signature else None
