"""nscd: whether somebody is at its socket (_PATH_NSCDSOCKET, glibc's nscd/nscd-client.h)."""

from __future__ import annotations

import socket
from pathlib import Path

from tracer.doctor.finding import Finding, ok, warn

__all__ = ["nscd"]

_SECONDS = 1.0


def nscd(run: Path) -> Finding:
    """Connect to the socket, and send nothing. ``run`` is /run."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(str(run / "nscd/socket"))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return ok("nscd", "not running: each program queries nameservers itself")
        except OSError as error:
            return warn(
                "nscd",
                f"does not answer ({error.strerror or error}): lookups may hang",
                "see systemctl status nscd",
            )
    return ok("nscd", "running: getaddrinfo(3) and gethostbyname(3) go through it")
