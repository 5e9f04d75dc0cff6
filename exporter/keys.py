"""Every key of the daemon's configuration: its flag, what it takes, its default.

Apart from :mod:`exporter.configuration`, which reads the file: the command line needs no more than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracer.kernel.programs import Capacities
from tracer.pods import DEFAULT_DIRECTORY

DEFAULT_FILE = Path("/etc/resolvtrace/resolvtrace.toml")
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("logfmt", "json")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its flag (None: only in the file), what it takes, its default, and a line of help."""

    name: str
    flag: str | None
    default: str | bool | float
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()


_CAPACITIES = Capacities()

KEYS = (
    Key("socket", "--socket", "/run/resolvtrace/resolvtrace.sock", "for the other commands", "PATH"),
    Key("state_dir", "--state-dir", "/var/lib/resolvtrace", "what a restart must know", "DIR"),
    Key("strict", "--strict", False, "refuse to start where any probe cannot be attached"),
    Key("web.listen_address", "--web.listen-address", "127.0.0.1:10953", "where to serve /metrics", "HOST:PORT"),
    Key("web.telemetry_path", "--web.telemetry-path", "/metrics", "the path of the metrics", "PATH"),
    Key("web.config_file", "--web.config.file", "", "TLS and users, in the exporters' format", "FILE"),
    Key("log.level", "--log.level", "info", "the least that is logged", choices=LEVELS),
    Key("log.format", "--log.format", "logfmt", "how it is written", choices=FORMATS),
    Key("pod_logs_dir", None, DEFAULT_DIRECTORY, "the kubelet's podLogsDir, which names the pods", "DIR"),
    Key("verdict.min_queries", None, 2, "queries after the grace that raise the flag"),
    Key("verdict.grace_seconds", None, 15.0, "least time that a process may take to follow a change"),
    Key("verdict.clear_seconds", None, 300.0, "time on current nameservers that clears the flag"),
    *(
        Key(f"capacity.{name}", None, getattr(_CAPACITIES, name), what)
        for name, what in (
            ("processes", "running processes that are followed"),
            ("queries", "pairs of process and nameserver that are counted in one tick"),
            ("connections", "TCP connections to nameservers"),
            ("images", "programs that are remembered by name once their process is gone"),
            ("ring_pages", "pages of the ring buffer, a power of two"),
        )
    ),
)
BY_NAME = {key.name: key for key in KEYS}
