"""What is done inside the machine, by the commands that an administrator has."""

from __future__ import annotations

import http.client
import json
import re
import smtplib
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.demo.lab.nameserver import command as nameserver_command
from exporter.demo.lab.waiting import wait_until
from exporter.feed.client import fetch_json

SECONDS = 900.0
"""The longest that anything may take: the machine is slow, and slower where others want the host too."""
CLIENT = "192.168.122.3"
SERVICE = "resolvtrace.service"
UNITS = ["apache2.service", "sendmail.service"]
_SHOWN = (
    *("ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus", "StatusText", "UnitFileState"),
    *("NotifyAccess", "Type"),
)

Check = dict[str, Any]


def run(*argv: str) -> str:
    """Run a command and give what it printed. Raises RuntimeError if it fails."""
    done = attempt(*argv)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def attempt(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose status says something."""
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)


def start_nameserver(address: str, answers: dict[str, str]) -> None:
    """Run one as a unit, on an address of the loopback interface."""
    run("ip", "address", "add", f"{address}/32", "dev", "lo")
    argv = nameserver_command(address, answers)
    run("systemd-run", f"--unit=nameserver-{address}", "--collect", *argv)
    wait_until(lambda: "started, version" in journal(f"nameserver-{address}"), SECONDS, f"a nameserver at {address}")


def ask() -> None:
    """Make both services send queries: mails whose recipients have an MX, and clients that have a name (or not)."""
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", 25, local_hostname="localhost", timeout=SECONDS) as client:
            client.sendmail("root@localhost", ["user@hat.com"], "Subject: lab\r\n\r\nhello\r\n")
    # So many that each of Apache's two threads has its turn, more than once.
    for _ in range(12):
        request = http.client.HTTPConnection("127.0.0.1", timeout=SECONDS, source_address=(CLIENT, 0))
        request.request("GET", "/", headers={"Connection": "close"})
        request.getresponse().read()
        request.close()


def check() -> Check:
    """Ask the daemon, over its socket: as `resolvtrace check --json`, but for a new Python each time."""
    return fetch_json(timeout=SECONDS)


def check_prints(*options: str) -> str:
    """Give what `resolvtrace check` prints; it waits 5 s for an answer, which here may not be enough."""
    done: list[subprocess.CompletedProcess[str]] = []

    def answered() -> bool:
        done[:] = [attempt("env", "COLUMNS=100", "resolvtrace", "check", *options)]
        return done[0].returncode in (0, 1)

    wait_until(answered, SECONDS, "resolvtrace check to be answered")
    return done[0].stdout


def rows(seen: Check, unit: str) -> list[dict[str, Any]]:
    """Give the processes of a unit that stand for themselves."""
    return [row for row in seen["processes"] if row["unit"] == unit and not row["worker"]]


def is_flagged(seen: Check, unit: str) -> bool:
    """Say whether a unit has the flag."""
    return any(row["state"] == "stale" for row in rows(seen, unit))


def wait_for(test: Callable[[Check], bool], what: str) -> Check:
    """Wait until the daemon's answer passes a test; give that answer. Raises TimeoutError, which has the last one."""
    last: list[Check] = [{}]

    def passes() -> bool:
        time.sleep(0.2)  # a request costs the emulated machine more than waiting
        last[0] = check()
        return test(last[0])

    try:
        wait_until(passes, SECONDS, what)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; last seen {json.dumps(last[0])}") from error
    return last[0]


def settle() -> Check:
    """Give an answer in which all that was sent so far is counted."""
    begun = datetime.now(UTC)
    return wait_for(lambda seen: datetime.fromisoformat(seen["counted_until"]) > begun, "all to be counted")


def show() -> dict[str, str]:
    """Give what systemd says of the service."""
    lines = run("systemctl", "show", SERVICE, f"--property={','.join(_SHOWN)}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def wait_until_active(test: Callable[[dict[str, str]], bool] = lambda _: True) -> dict[str, str]:
    """Wait until the service is active, and more; give what systemd says."""
    wait_until(lambda: show()["ActiveState"] == "active" and test(show()), SECONDS, f"{SERVICE} to be active")
    return show()


def status_of(pid: str) -> dict[str, str]:
    """Give /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def journal(unit: str, *more: str) -> str:
    """Give what a unit logged in this boot."""
    return run("journalctl", "--boot", "--quiet", "--output=cat", f"--unit={unit}", *more)


def refusals() -> list[str]:
    """Give what AppArmor and seccomp refused: audit(8) records 1400 (AVC) and 1326 (a seccomp kill)."""
    lines = run("journalctl", "--boot", "--quiet", "--output=short-monotonic", "--no-hostname").splitlines()
    return [line for line in lines if re.search(r"type=(1400|1326)|audit\[\d+\]: (AVC|SECCOMP)", line)]


def attached() -> dict[str, Any]:
    """Give what BPF there is: the links, the programs on tracepoints, and those on the root cgroup."""
    programs = json.loads(run("bpftool", "-j", "prog", "show"))
    links = json.loads(run("bpftool", "-j", "link", "show"))
    cgroup = attempt("bpftool", "-j", "cgroup", "show", "/sys/fs/cgroup").stdout
    return {
        "links": [link["type"] for link in links],
        "tracepoints": [one.get("name") for one in programs if one["type"] == "tracepoint"],
        "cgroup": [one["attach_type"] for one in json.loads(cgroup.strip() or "[]")],
    }


def left_behind() -> list[str]:
    """Give the files that have the project's name, of all but what was shared in."""
    argv = ("find", "/", "-xdev", "-iname", "*resolvtrace*", "-not", "-path", "/var/log/journal/*")
    return sorted(run(*argv).splitlines())
