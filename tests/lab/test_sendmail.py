"""Debian's own sendmail stays on the old nameserver until it is restarted, as in the original report."""

from __future__ import annotations

import pytest

from exporter.demo.lab import Nameserver, experiment, wait_until
from tests.support.lab_sendmail import Mode, Sendmail


def mx_queries(server: Nameserver) -> int:
    """Count the MX queries for hat.com."""
    return sum(query.type == "MX" and query.name == "hat.com" for query in server.queries())


@pytest.mark.parametrize("mode", ["-bD", "-bd"])
def test_sendmail_stays_until_its_restart(mode: Mode) -> None:
    """Not one query goes to the new nameserver before the restart, and every one after it."""
    with experiment() as lab:
        sendmail = Sendmail(lab.world)
        sendmail.start(mode)
        assert (sendmail.listener_pid == sendmail.starter_pid) == (mode == "-bD")
        sendmail.submit(3)
        wait_until(lambda: mx_queries(lab.old) >= 3, 10, "the MX queries of 3 mails")

        lab.change()
        sendmail.submit(5)
        wait_until(lambda: mx_queries(lab.old) >= 8, 10, "the MX queries of 5 mails more, at the old nameserver")
        assert not lab.new.queries()

        sendmail.restart()
        asked = len(lab.old.queries())
        sendmail.submit(2)
        wait_until(lambda: mx_queries(lab.new) >= 2, 10, "the MX queries of 2 mails, at the new nameserver")
        assert len(lab.old.queries()) == asked
