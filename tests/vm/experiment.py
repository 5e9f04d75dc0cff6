"""The stale-resolver experiment on a whole system: run inside the machine, once, as root.

Says what it saw, step by step, in result.json; what that should be is for test_vm.py to say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER
from exporter.demo.lab.resolv_conf import change
from exporter.demo.lab.waiting import wait_until
from tests.platforms import facts
from tests.vm import guest
from tests.vm.rows import problems

ETC = Path("/etc")
EXTRA = ETC / "resolvtrace/resolvtrace.d/experiment.toml"
SHORT = "options timeout:1 attempts:1\n"
GRACE = 3
DROP_IN = ETC / "systemd/system/resolvtrace.service.d/emulated.conf"
LONGER_TIMEOUTS = "[Service]\nTimeoutStartSec=15min\nWatchdogSec=40s\n"
"""What is a second's work elsewhere may take minutes here, where others want the host too."""
IGNORE = '[[rule]]\naction = "ignore"\nunit = "apache2.service"\n'
QUERY = bytes.fromhex("1234010000010000000000000368617403636f6d0000010001")
"""A for hat.com (RFC 1035)."""
PRIME = 23

Seen = Iterator[tuple[str, Any]]


def steps(exchange: Path) -> Seen:
    """Give what each step has shown."""
    yield "system", {**facts.versions(Path("/")), "kernel": os.uname().release}
    yield "pid_1", Path("/proc/1/comm").read_text().strip()
    yield "attached_before", guest.attached()
    yield from set_up()
    yield from install(exchange)
    yield from count()
    yield from go_stale()
    yield from reload()
    yield from come_back()
    yield from follow_the_advice()
    yield from leave()


def set_up() -> Seen:
    """Start the nameservers, and the services under the old one."""
    guest.run("ip", "address", "add", f"{guest.CLIENT}/32", "dev", "lo")
    guest.start_nameserver(OLD, {NAME: OLD_ANSWER})
    guest.start_nameserver(NEW, {NAME: NEW_ANSWER})
    change(ETC, f"nameserver {OLD}\n{SHORT}", "rename")
    guest.run("systemctl", "start", *guest.UNITS)
    yield "started", [guest.run("systemctl", "is-active", unit).strip() for unit in guest.UNITS]


def install(exchange: Path) -> Seen:
    """Install the package, as it came."""
    DROP_IN.parent.mkdir()
    DROP_IN.write_text(LONGER_TIMEOUTS)
    began = time.monotonic()
    yield "install", guest.run("apt-get", "install", "--yes", str(exchange / "resolvtrace.deb"))
    running = guest.show()
    if running["ActiveState"] != "active":
        raise RuntimeError(f"the service does not start: {guest.journal(guest.SERVICE)}")
    yield "perf_event_paranoid", Path("/proc/sys/kernel/perf_event_paranoid").read_text().strip()
    yield "ready_seconds", round(time.monotonic() - began, 1)
    yield "running", running
    yield "process", guest.status_of(running["MainPID"])
    yield "attached", guest.attached()
    yield "probes", guest.check()["health"]["probes"]
    doctor = guest.attempt("resolvtrace", "doctor", "--json")
    yield "doctor", json.loads(doctor.stdout)["findings"]
    yield "security", guest.run("systemd-analyze", "security", "--no-pager", guest.SERVICE)


def count() -> Seen:
    """Send a prime number of queries, on a socket that is connected and on one that is not."""
    yield "before_counting", guest.settle()["health"]["lost"]
    with socket.socket(type=socket.SOCK_DGRAM) as connected, socket.socket(type=socket.SOCK_DGRAM) as other:
        connected.connect((NEW, 53))
        for _ in range(PRIME):
            connected.send(QUERY)
            other.sendto(QUERY, (OLD, 53))
        seen = guest.settle()
    (own,) = [row for row in seen["processes"] if row["pid"] == os.getpid()]
    yield "counted", {use["address"]: use["queries"] for use in own["nameservers"]}
    yield "counter_unit", own["unit"]


def go_stale() -> Seen:
    """Change the nameserver under the services, and let them go on querying."""
    EXTRA.parent.mkdir(exist_ok=True)
    EXTRA.write_text(f"[verdict]\ngrace_seconds = {GRACE}\n")
    guest.run("systemctl", "reload", guest.SERVICE)
    guest.ask()
    units = guest.UNITS
    yield "current", guest.wait_for(lambda seen: all(is_current(seen, unit) for unit in units), "both to be tracked")
    change(ETC, f"nameserver {NEW}\n{SHORT}", "rename")
    changed = guest.wait_for(lambda seen: host(seen)["nameservers"] == [NEW], "the change to be seen")
    over = datetime.fromisoformat(host(changed)["changed_at"]).timestamp() + GRACE + 2
    guest.wait_for(lambda seen: datetime.fromisoformat(seen["time"]).timestamp() > over, "the grace to be over")
    guest.ask()
    yield "stale", guest.wait_for(lambda seen: all(guest.is_flagged(seen, unit) for unit in units), "both flags")
    yield "table", guest.check_prints()
    yield "services", guest.check_prints("--services").split()


def host(seen: guest.Check) -> dict[str, Any]:
    """Give the host's view."""
    return next(view for view in seen["views"] if view["id"] == "host")


def reload() -> Seen:
    """Write a rule, and take it back: the same process follows."""
    before = guest.show()
    EXTRA.write_text(EXTRA.read_text() + IGNORE)
    guest.run("systemctl", "reload", guest.SERVICE)
    guest.wait_for(lambda seen: not guest.is_flagged(seen, "apache2.service"), "the rule to hold")
    yield "ignored", guest.check_prints("--services").split()
    EXTRA.write_text(EXTRA.read_text().removesuffix(IGNORE))
    guest.run("systemctl", "reload", guest.SERVICE)
    guest.wait_for(lambda seen: guest.is_flagged(seen, "apache2.service"), "the rule to be gone")
    yield "reloaded_in_place", guest.show()["MainPID"] == before["MainPID"]


def come_back() -> Seen:
    """Restart the daemon; then hang it, and leave it to its watchdog. The flags stand each time."""
    guest.run("systemctl", "restart", guest.SERVICE)
    yield "restarted", guest.settle()
    before = guest.show()
    yield "problems", guest.journal(guest.SERVICE, "--priority=warning").splitlines()
    os.kill(int(before["MainPID"]), signal.SIGSTOP)
    hung = time.monotonic()
    after = guest.wait_until_active(lambda seen: seen["NRestarts"] != before["NRestarts"])
    yield "watchdog", {"before": before, "after": after, "seconds": round(time.monotonic() - hung, 1)}
    yield "revived", guest.settle()


def follow_the_advice() -> Seen:
    """Do what it says, to the letter."""
    advised = sorted({line for row in stale(guest.check()) for line in commands(row["advice"])})
    yield "advised", advised
    for command in advised:
        subprocess.run(command.split(), check=True, timeout=guest.SECONDS)
    guest.wait_for(lambda seen: not stale(seen), "the flags to be gone")
    guest.ask()
    cured = guest.wait_for(lambda seen: all(is_current(seen, unit) for unit in guest.UNITS), "both to be cured")
    yield "cured", cured


def is_current(seen: guest.Check, unit: str) -> bool:
    """Say whether a unit queries, and nothing but what is listed."""
    found = guest.rows(seen, unit)
    return {row["state"] for row in found} == {"current"} and any(row["nameservers"] for row in found)


def stale(seen: guest.Check) -> list[dict[str, Any]]:
    """Give the rows that have the flag."""
    return [row for row in seen["processes"] if row["state"] == "stale" and not row["worker"]]


def commands(advice: str) -> list[str]:
    """Give the commands in an advice."""
    return re.findall(r"systemctl restart \S+\.service", advice)


def leave() -> Seen:
    """Stop the service, and purge the package. A program is refused a system call: so much is seen of a refusal."""
    yield "lost", guest.check()["health"]["lost"]
    guest.run("systemctl", "stop", guest.SERVICE)
    yield "stopped", guest.show()
    yield "attached_after", guest.attached()
    yield "log", guest.journal(guest.SERVICE).splitlines()
    if os.uname().machine == "aarch64":
        yield "rows", problems(Path(tempfile.mkdtemp()))
    guest.run("systemd-run", "--property=SystemCallFilter=~uname", "uname")
    wait_until(guest.refusals, guest.SECONDS, "a refusal to be reported")
    yield "refusals", guest.refusals()
    for path in (EXTRA, DROP_IN):
        path.unlink()
        path.parent.rmdir()
    yield "purge", guest.run("apt-get", "purge", "--yes", "resolvtrace")
    yield "left_behind", guest.left_behind()


def main(exchange: Path) -> None:
    """Go through the steps, and write down what they show, even where one fails."""
    seen: dict[str, Any] = {}
    began = time.monotonic()
    try:
        for name, value in steps(exchange):
            seen[name] = value
            print(f"{time.monotonic() - began:6.1f} {name}", flush=True)  # noqa: T201 - to the console
    except Exception:  # noqa: BLE001 - reported outside
        seen["failure"] = traceback.format_exc()
    finally:
        (exchange / "journal").write_text(guest.run("journalctl", "--boot", "--output=short-monotonic"))
        written = exchange / "result.part"
        written.write_text(json.dumps(seen, indent=1))
        shutil.move(written, exchange / "result.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
