"""How to restart a process, in its manager's own words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracer.identity import Identity
from tracer.report.cures import recover, restart

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (Identity("getip"), "restart getip (pid 10)"),
        (Identity("getip", unit="session-3.scope"), "restart getip (pid 10)"),
        (Identity("x", unit="sendmail.service"), "restart it: systemctl restart sendmail.service"),
        (Identity("x", unit=r"a\x2db.service"), r"restart it: systemctl restart 'a\x2db.service'"),
        (
            Identity("x", unit="user@1000/dev.service"),
            "restart it: systemctl --user --machine=1000@ restart dev.service",
        ),
        (Identity("x", container=ID), "restart container 0123456789ab"),
        (Identity("x", container=ID, inner_unit="nginx.service"), "restart container 0123456789ab"),
        (Identity("x", unit="web.service", container=ID), "restart it: systemctl restart web.service"),
        (
            Identity("x", container="web", inner_unit="nginx.service", runtime="nspawn"),
            "restart it: systemctl --machine=web restart nginx.service",
        ),
        (Identity("x", container="web", runtime="nspawn"), "restart machine web: machinectl reboot web"),
        (
            Identity("x", container="web", inner_unit="nginx.service", runtime="lxc"),
            "restart it: lxc-attach -n web -- systemctl restart nginx.service",
        ),
        (Identity("x", container="web", inner_unit="init.scope", runtime="lxc"), "restart LXC container web"),
        (
            Identity("x", unit="lxc@web.service", container="web", inner_unit="nginx.service", runtime="lxc"),
            "restart it: lxc-attach -n web -- systemctl restart nginx.service",
        ),
        (
            Identity("x", unit="kubelet.service", container=ID, pod="shop/web-0"),
            "restart pod shop/web-0: kubectl -n shop delete pod web-0, and its controller starts a new one",
        ),
    ],
)
def test_what_to_restart(identity: Identity, words: str) -> None:
    """The pod, the unit, the machine, the container, or the process itself; a name is quoted for the shell."""
    assert restart(identity, 10) == words


SQUID = Identity("squid", "/usr/sbin/squid")
SMTP = Identity("smtp", "/usr/lib/postfix/sbin/smtp")
HAPROXY = Identity("haproxy", "/usr/sbin/haproxy")


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (replace(SQUID, unit="squid.service"), "reload it: systemctl reload-or-restart squid.service"),
        (SQUID, "reload squid (pid 10): kill -HUP 10"),
        (replace(SQUID, exe="/usr/sbin/squid (deleted)", comm="x"), "reload x (pid 10): kill -HUP 10"),
        (replace(SQUID, unit="proxies.service"), "reload squid (pid 10): kill -HUP 10"),
        (replace(SMTP, unit="postfix@-.service"), "reload it: systemctl reload-or-restart postfix@-.service"),
        (SMTP, "reload smtp (pid 10): postfix reload"),
        (Identity("smtp", "/opt/other/smtp"), "restart smtp (pid 10)"),
        (Identity("spamd", "/usr/bin/perl"), "reload spamd (pid 10): kill -HUP 10"),
        (HAPROXY, "restart haproxy (pid 10)"),
        (replace(HAPROXY, unit="web.service"), "restart it: systemctl restart web.service"),
        (
            replace(SQUID, container="web", inner_unit="squid.service", runtime="nspawn"),
            "reload it: systemctl --machine=web reload-or-restart squid.service",
        ),
        (
            replace(SQUID, container="web", inner_unit="squid.service", runtime="lxc"),
            "reload it: lxc-attach -n web -- systemctl reload-or-restart squid.service",
        ),
        (replace(SQUID, container="web", runtime="lxc"), "restart LXC container web"),
        (replace(SQUID, container=ID), "restart container 0123456789ab"),
        (replace(SQUID, unit="squid.service", container=ID), "restart it: systemctl restart squid.service"),
        (Identity("getip", unit="squid.service"), "restart it: systemctl restart squid.service"),
    ],
)
def test_what_to_reload(identity: Identity, words: str) -> None:
    """A program whose reload is known to be enough is reloaded: by its own unit, or by hand if that is known."""
    assert recover(identity, 10) == words


def test_another_than_the_process_itself() -> None:
    """The command is introduced by the words for whose it is."""
    identity = Identity("getip", unit="jobs.service")
    assert recover(identity, 10, "its parent") == "restart its parent: systemctl restart jobs.service"
