"""Which Kubernetes pod a process is in, without the API: its cgroup's path, and the kubelet's directory of logs.

The kubelet puts the pod's uid into the cgroup's name, ``pod<uid>``, under systemd with ``_`` for ``-``
(pkg/kubelet/cm: pod_container_manager_linux.go, cgroup_manager_linux.go). Before it starts a container it makes
``<namespace>_<name>_<uid>`` for the logs (pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory); neither a
namespace nor a pod's name can hold ``_`` (RFC 1123). The uid of a static pod is a hash, without ``-``.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import islice

DEFAULT_DIRECTORY = "/var/log/pods"
"""``podLogsDir`` of KubeletConfiguration, as it comes."""
_UID = r"[0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
_OF_PATH = re.compile(rf"[-/]pod({_UID})(?:\.slice)?(?=[/:]|$)", re.ASCII)
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_ENTRY = re.compile(rf"({_LABEL})_({_LABEL}(?:\.{_LABEL})*)_({_UID})", re.ASCII)
_MOST = 4096
"""Entries that are looked at. A node has some hundreds of pods at the most."""


class Pods:
    """The pods of one node. The directory may be absent, if there is no kubelet: then no process is in a pod."""

    def __init__(self, directory: str = DEFAULT_DIRECTORY) -> None:
        self._directory = directory
        self._names: dict[str, str] = {}
        self._read_at: int | None = None

    def of_cgroup(self, path: str) -> str | None:
        """Give ``namespace/name`` of the pod that a cgroup's path leads into, the innermost; None if not known."""
        uids = _OF_PATH.findall(path)
        if not uids:
            return None
        uid = uids[-1].replace("_", "-")
        if uid not in self._names:
            self._read()
        return self._names.get(uid)

    def _read(self) -> None:
        """Read the directory again, unless it is as it was: its time is that of the last entry made or removed."""
        with suppress(OSError):
            changed = os.stat(self._directory).st_mtime_ns
            if changed == self._read_at:
                return
            with os.scandir(self._directory) as entries:
                found = [_ENTRY.fullmatch(entry.name) for entry in islice(entries, _MOST)]
            self._names = {one[3]: f"{one[1]}/{one[2]}" for one in found if one}
            self._read_at = changed
