"""/etc/resolv.conf as a file: whether it is there, what is there, and who may read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from tracer.doctor import lint
from tracer.doctor.finding import Finding, fail, warn
from tracer.doctor.lines import CHECK
from tracer.observe import rootfs

__all__ = ["resolv_conf"]

_PATH = "/etc/resolv.conf"
_MOST_BYTES = 256 << 10
_MAKERS = {
    "/run/systemd/resolve/": "start systemd-resolved, which makes it: systemctl enable --now systemd-resolved",
    "/run/NetworkManager/": "start NetworkManager, which makes it: systemctl enable --now NetworkManager",
    "/run/resolvconf/": "start resolvconf, which makes it: systemctl start resolvconf",
}
_WRITE = "write one: echo 'nameserver ADDRESS' >/etc/resolv.conf"
_WITHOUT_OPENAT2 = "boot Linux 6.1 or later; or run doctor where nothing forbids it: a container's seccomp filter may"
_LOCAL = "every resolver falls back to 127.0.0.1"


def resolv_conf(root: str) -> list[Finding]:
    """Examine the file below the directory that stands for ``/``, whatever is there.

    Nothing but a regular file is opened, and no more than its first 256 KiB are read.
    """
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return list(_findings(directory))
    finally:
        os.close(directory)


def _findings(root: int) -> Iterator[Finding]:
    try:
        status = rootfs.status_of(root, _PATH)
    except BlockingIOError as error:
        yield warn(CHECK, f"cannot be examined ({error.strerror})", "try again")
        return
    if status is None and rootfs.status_of(root, ".") is None:
        yield warn(CHECK, "cannot be examined: the kernel refuses openat2(2)", _WITHOUT_OPENAT2)
    elif status is None:
        yield _absent(root)
    elif not stat.S_ISREG(status.st_mode):
        yield fail(CHECK, f"{_PATH} is not a regular file", f"remove it, and {_WRITE}")
    else:
        yield from _of_regular(root, status)


def _of_regular(root: int, status: os.stat_result) -> Iterator[Finding]:
    if not status.st_mode & stat.S_IROTH:
        mode = stat.S_IMODE(status.st_mode)
        yield fail(
            CHECK,
            f"{_PATH} is not world-readable (mode {mode:04o}): other users fall back to 127.0.0.1",
            f"chmod 644 {_PATH}",
        )
    if status.st_size > _MOST_BYTES:
        size, examined = status.st_size >> 10, _MOST_BYTES >> 10
        text = f"{_PATH} has {size} KiB, and each program reads it all; only the first {examined} KiB were examined"
        yield warn(CHECK, text, "write what it needs, and no more")
    data = rootfs.read_begin(root, _PATH, _MOST_BYTES)
    if data or not status.st_size:
        yield from lint.lint(data)


def _absent(root: int) -> Finding:
    target = _link(root)
    if target is None:
        return fail(CHECK, f"there is no {_PATH}: {_LOCAL}", _WRITE)
    resolved = os.path.normpath(os.path.join("/etc", target))
    remedy = next((remedy for begin, remedy in _MAKERS.items() if resolved.startswith(begin)), None)
    return fail(
        CHECK,
        f"{_PATH} is a dangling symbolic link ({target}): {_LOCAL}",
        remedy or f"start what makes {resolved}, or replace the link",
    )


def _link(root: int) -> str | None:
    with suppress(OSError):
        return os.readlink(_PATH.lstrip("/"), dir_fd=root)
    return None
