"""What a reload is advised for was tried: each program of tracer/report/reloads.py has a case that reloads it."""

from __future__ import annotations

from tests.zoo.test_resolvers import ROUNDS
from tracer.report.reloads import RELOADS

TRIED_BY = {
    "aardvark-dns": "daemons-aardvark",
    "avahi-daemon": "daemons-avahi-chroot",
    "dnsmasq": "services-dnsmasq-no-poll",
    "haproxy": "services-haproxy-reload",
    "nginx": "services-nginx-at-start",
    "postfix/sbin/smtp": "services-postfix",
    "rspamd": "big-rspamd",
    "spamd": "daemons-spamd",
    "squid": "services-squid",
}


def test_each_reload_is_tried() -> None:
    """No entry without a case that reloads the program, and no case of it whose advice is a restart."""
    cases = {f"{name}-{case.name}": case for name, cases in ROUNDS.items() for case in cases}
    assert TRIED_BY.keys() == RELOADS.keys()
    for name in TRIED_BY.values():
        assert cases[name].cure
        assert "reload" in cases[name].expected.advice
