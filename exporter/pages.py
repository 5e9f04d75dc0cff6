"""What the web server answers: a pure function of the request and the latest snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.exposition import choose_encoder

from exporter import metrics
from exporter.landing import HEADERS, landing
from tracer.snapshot import Snapshot

__all__ = ["Answer", "Pages", "plain"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One response but for its framing; ``headers`` are those beside Content-Type and Content-Length."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def plain(status: HTTPStatus, text: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer of one line of text: ``text``, else the name of the status."""
    return Answer(status, f"{text or status.phrase}\n".encode(), headers=headers)


class Pages:
    """Every page there is. ``telemetry_path`` is where the metrics are."""

    def __init__(self, latest: Callable[[], Snapshot], telemetry_path: str) -> None:
        self._latest = latest
        self._registry = metrics.registry(latest)
        self._telemetry_path = telemetry_path

    def answer(self, method: str, target: str, accept: str = "") -> Answer:
        """Return the answer to a request. ``target`` is as it stood in the request line, ``accept`` the header."""
        if method not in {"GET", "HEAD"}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "GET, HEAD"),))
        path = target.partition("?")[0]
        if path == self._telemetry_path:
            return self._metrics(accept)
        match path:
            case "/":
                page = landing(self._latest(), self._telemetry_path).encode()
                return Answer(HTTPStatus.OK, page, "text/html; charset=utf-8", HEADERS)
            case "/-/healthy":
                return plain(HTTPStatus.OK, "healthy")
            case "/-/ready":
                return self._ready()
            case _:
                return plain(HTTPStatus.NOT_FOUND)

    def _metrics(self, accept: str) -> Answer:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # it compares whatever version the client wrote with numbers
            encode, content_type = choose_encoder("")
        return Answer(HTTPStatus.OK, encode(self._registry), content_type)

    def _ready(self) -> Answer:
        snapshot = self._latest()
        if snapshot.ready:
            return plain(HTTPStatus.OK, "ready")
        missing = ", ".join(probe.name for probe in snapshot.probes if probe.required and not probe.attached) or "all"
        return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready; probes not attached: {missing}")
