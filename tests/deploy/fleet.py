"""A fleet of hosts that are none: what real daemons answered, recorded, and served again under the names of many."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "fixtures" / "fleet"
"""What tests/deploy/recordings.py recorded."""
DEAD = "192.168.122.99"
"""A nameserver that answers nobody."""


def names(kind: str, number: int) -> list[str]:
    """Name so many hosts of a kind, which is a file of what was recorded."""
    return [f"{kind}-{index:03}:10953" for index in range(number)]


@contextmanager
def fleet(hosts: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Serve hosts of each kind, on one port of the loopback interface; gives where Prometheus finds them."""
    expositions = {f"/{kind}": (RECORDED / f"{kind}.txt").read_bytes() for kind in hosts}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as a daemon's do

        def handle(self) -> None:
            with suppress(ConnectionError):  # Prometheus exits before its connections close
                super().handle()

        def do_GET(self) -> None:
            body = expositions[self.path]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        target = "{}:{}".format(*server.server_address)
        try:
            yield {
                "static_configs": [
                    {"targets": [target], "labels": {"instance": name, "__metrics_path__": f"/{kind}"}}
                    for kind, number in hosts.items()
                    for name in names(kind, number)
                ]
            }
        finally:
            server.shutdown()
            thread.join()
