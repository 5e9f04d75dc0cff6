"""Every key of the daemon's configuration: its flag, its default, what it must be.

Apart from :mod:`exporter.config.configuration`, which reads the files: the command line needs only this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracer.kernel.programs import MOST_ENTRIES, MOST_RING_PAGES, Capacities
from tracer.observe.pods import DEFAULT_DIRECTORY

__all__ = ["BY_NAME", "DEFAULT_FILE", "MOST_SECONDS", "OPTIONS", "Option"]

DEFAULT_FILE = Path("/etc/resolvtrace/resolvtrace.toml")
MOST_SECONDS = 31_536_000
"""A year: what is added to times must stay a time."""
_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("logfmt", "json")
_LONGEST_SOCKET = 107
"""struct sockaddr_un has 108 bytes, the last one for NUL: unix(7)."""


@dataclass(frozen=True, slots=True)
class Option:
    """One key: its flag (None: only in the file), its default, and a line of help."""

    name: str
    flag: str | None
    default: str | bool | float
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()

    def requirement(self, value: Any) -> str | None:
        """Return what a value of this key must be; None if ``value`` is that."""
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "true or false"
        if isinstance(self.default, int | float):
            return self._number_requirement(value)
        if self.choices:
            return None if value in self.choices else f"one of {', '.join(self.choices)}"
        if not isinstance(value, str) or (self.default and not value):
            return "a string that is not empty" if self.default else "a string"
        return self._text_requirement(value)

    def _number_requirement(self, value: Any) -> str | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        is_count = is_number and isinstance(value, int) and value >= 1
        if self.name == "capacity.ring_pages":
            right = is_count and value.bit_count() == 1 and value <= MOST_RING_PAGES
            return None if right else f"a power of two, at most {MOST_RING_PAGES}"
        if self.name.startswith("capacity."):
            return None if is_count and value <= MOST_ENTRIES else f"an integer from 1 to {MOST_ENTRIES}"
        if isinstance(self.default, int):
            return None if is_count else "an integer of at least 1"
        return None if is_number and 0 <= value <= MOST_SECONDS else f"a number of seconds from 0 to {MOST_SECONDS}"

    def _text_requirement(self, value: str) -> str | None:
        if self.name == "web.telemetry_path" and (not value.startswith("/") or set(value) & set("?# ")):
            return "a path that begins with / and has no ?, # or space"
        if self.name == "socket" and len(value.encode(errors="surrogateescape")) > _LONGEST_SOCKET:
            return f"a path of at most {_LONGEST_SOCKET} bytes"
        if "\0" in value:
            return "a string without NUL"
        return None


_CAPACITIES = Capacities()

OPTIONS = (
    Option("socket", "--socket", "/run/resolvtrace/resolvtrace.sock", "socket for the other commands", "PATH"),
    Option("state_dir", "--state-dir", "/var/lib/resolvtrace", "what is kept across a restart", "DIR"),
    Option("strict", "--strict", False, "fail if any probe cannot be attached"),
    Option("web.listen_address", "--web.listen-address", "127.0.0.1:10953", "where to serve /metrics", "HOST:PORT"),
    Option("web.telemetry_path", "--web.telemetry-path", "/metrics", "path of the metrics", "PATH"),
    Option("web.config_file", "--web.config.file", "", "TLS and users, in the exporters' format", "FILE"),
    Option("log.level", "--log.level", "info", "lowest level that is logged", choices=_LEVELS),
    Option("log.format", "--log.format", "logfmt", "format of the log", choices=_FORMATS),
    Option("pod_logs_dir", None, DEFAULT_DIRECTORY, "the kubelet's podLogsDir, for the names of pods", "DIR"),
    Option("verdict.min_queries", None, 2, "queries after the grace period that raise the flag"),
    Option("verdict.grace_seconds", None, 15.0, "shortest grace period after a change"),
    Option("verdict.clear_seconds", None, 300.0, "time on listed nameservers that clears the flag"),
    *(
        Option(f"capacity.{name}", None, getattr(_CAPACITIES, name), what)
        for name, what in (
            ("processes", "running processes"),
            ("queries", "pairs of process and nameserver in one tick"),
            ("connections", "TCP connections to nameservers"),
            ("images", "programs known by name after their process has exited"),
            ("calls", "threads inside an open of resolv.conf, or a connect to a lookup socket"),
            ("ring_pages", "pages of 4 KiB of the ring buffer, a power of two"),
        )
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
