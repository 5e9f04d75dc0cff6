"""Where programs of the scorecard run, beside the home world."""

from __future__ import annotations

from tests.scorecard.network import FAR_LISTED
from tests.scorecard.row import Place
from tests.support.building import BUILT
from tests.support.opened import opened

_UID = 12345
_OWN_LISTED = "192.0.2.250"
_CONTAINER = "0123456789abcdef" * 4
_OWN_RESOLV_CONF = ("sh", "-c", 'mount -n --bind "$0" /etc/resolv.conf && exec "$@"', "{directory}/etc/resolv.conf")
_UNSHARE = ("unshare", "--fork", "--kill-child", "--propagation", "private")

FAR_AWAY = Place("far", listed=FAR_LISTED)
MOUNTS = Place(command=("unshare", "--mount", "--propagation", "private", *_OWN_RESOLV_CONF), listed=_OWN_LISTED)
CHROOT = Place(command=("chroot", "{directory}"), is_root=True, listed=_OWN_LISTED)
PIDS = Place(command=(*_UNSHARE, "--pid"), forks=True)
_AS_OTHER_USER = ("setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups", "--")
OTHER_USER = Place(command=(*opened(BUILT), *_AS_OTHER_USER), row={"uid": _UID})
USERS = Place(command=(*opened(BUILT), *_AS_OTHER_USER, "unshare", "--user", "--map-root-user"), row={"uid": _UID})
CGROUP = Place(
    cgroup="system.slice/system-nested.slice/nested@1.service/inner/most",
    row={"unit": "nested@1.service", "container": None},
)
CONTAINER = Place(
    cgroup=f"system.slice/docker-{_CONTAINER}.scope/inner",
    command=(
        *(*_UNSHARE, "--mount", "--pid", "--mount-proc", "--cgroup", "--user", "--map-root-user"),
        *_OWN_RESOLV_CONF,
    ),
    forks=True,
    listed=_OWN_LISTED,
    row={"uid": 0, "unit": None, "container": _CONTAINER},
)
