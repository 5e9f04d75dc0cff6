"""Which process answers at a lookup socket: its own state is what its clients depend on."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from tracer.ledger.process import Process
from tracer.lookups import LookupPath

SERVICE_NAMES: Mapping[LookupPath, str] = {
    LookupPath.NSCD: "nscd",
    LookupPath.RESOLVED: "systemd-resolved",
    LookupPath.SSSD: "SSSD",
}
"""As an administrator calls those that answer all of their clients' lookups."""
_PROGRAMS: Mapping[str, LookupPath] = {
    "nscd": LookupPath.NSCD,
    "unscd": LookupPath.NSCD,
    "systemd-resolved": LookupPath.RESOLVED,
    "systemd-resolve": LookupPath.RESOLVED,
    "sssd_be": LookupPath.SSSD,
}


def service_of(process: Process) -> LookupPath | None:
    """Tell which lookup service a process is, by its program; None where it is none."""
    return _PROGRAMS.get(posixpath.basename(process.identity.exe or process.identity.comm or ""))


class LookupServices:
    """The lookup services that run, by what a client sees of them."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._servers: dict[tuple[LookupPath, str], Process] = {}
        for process in processes:
            path = service_of(process)
            view = process.view
            if path is not None and view is not None and not process.is_worker:
                self._servers[path, view.id] = process

    def of(self, client: Process) -> Process | None:
        """Find who answers a client: the service with the client's own view, None if there is no such service."""
        view = client.view
        return self._servers.get((client.lookup_path, view.id)) if view else None

    def has(self, path: LookupPath, client: Process) -> bool:
        """Tell whether such a service runs for the client's view."""
        return client.view is not None and (path, client.view.id) in self._servers
