"""Programs of which a reload is known to be enough: they read resolv.conf then, and query what it lists.

Each was tried in the zoo (`make zoo`), between two nameservers that both answer: the flag goes, and the old one is
queried no more. Who is not in the table is restarted. Tried too, and not in it:

- PgBouncer 1.18, SIGHUP: goes on with the old one.
- Apache Traffic Server 9.2.5, ``traffic_ctl config reload``: goes on with the old one.
- shadowsocks-libev 3.3.5, SIGHUP: ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tracer.identity import Identity

_REPLACED = " (deleted)"  # what proc(5) puts behind the name of a program that was upgraded


@dataclass(frozen=True, slots=True)
class Reload:
    """How to reload a program.

    ``units``: the services (globs) that run it alone, and whose own reload does it. ``command``: what does it without
    one, where that is known; {pid} is the process's own. ``version`` and ``tried``: of what was tried, and when.
    """

    units: tuple[str, ...]
    command: str | None
    version: str
    tried: str


RELOADS: dict[str, Reload] = {
    "aardvark-dns": Reload((), "kill -HUP {pid}", "1.4.0", "2026-11-27"),
    "avahi-daemon": Reload(("avahi-daemon.service",), "kill -HUP {pid}", "0.8", "2026-11-27"),
    "dnsmasq": Reload(("dnsmasq.service", "dnsmasq@*.service"), "kill -HUP {pid}", "2.90", "2026-11-27"),
    "haproxy": Reload(("haproxy.service",), None, "2.6.12", "2026-11-27"),
    "nginx": Reload(("nginx.service",), "kill -HUP {pid}", "1.22.1", "2026-11-27"),
    "postfix/sbin/smtp": Reload(("postfix.service", "postfix@*.service"), "postfix reload", "3.7.11", "2026-11-27"),
    "rspamd": Reload(("rspamd.service",), None, "3.4", "2026-11-27"),
    "spamd": Reload(("spamd.service", "spamassassin.service"), "kill -HUP {pid}", "4.0.1", "2026-11-27"),
    "squid": Reload(("squid.service",), "kill -HUP {pid}", "5.7", "2026-11-27"),
}
"""By the end of the program's path, or its comm: scripts have their interpreter's path."""


def reload_of(identity: Identity) -> Reload | None:
    """Give what is known of a program's reload."""
    path = (identity.exe or "").removesuffix(_REPLACED)
    return next(
        (one for program, one in RELOADS.items() if path.endswith(f"/{program}") or identity.comm == program), None
    )


def runs_alone(reload: Reload, unit: str) -> bool:
    """Tell whether a unit is the program's own."""
    return any(fnmatchcase(unit, pattern) for pattern in reload.units)
