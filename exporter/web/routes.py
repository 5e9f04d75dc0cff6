"""The pages of the web server: a pure function of the request and the latest snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.exposition import choose_encoder

from exporter.prometheus import metrics
from exporter.web.landing import HEADERS, landing
from tracer.report.snapshot import Snapshot

__all__ = ["Response", "Routes", "text_response"]


@dataclass(frozen=True, slots=True)
class Response:
    """One response without its framing; ``headers`` are those besides Content-Type and Content-Length."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def text_response(status: HTTPStatus, text: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return a response of one line: ``text``, or the name of the status."""
    return Response(status, f"{text or status.phrase}\n".encode(), headers=headers)


class Routes:
    """All pages. ``telemetry_path`` is the path of the metrics."""

    def __init__(self, latest: Callable[[], Snapshot], telemetry_path: str) -> None:
        self._latest = latest
        self._registry = metrics.registry(latest)
        self._telemetry_path = telemetry_path

    def respond(self, method: str, target: str, accept: str = "") -> Response:
        """Return the response to a request: ``target`` of the request line, ``accept`` the header."""
        if method not in {"GET", "HEAD"}:
            return text_response(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "GET, HEAD"),))
        path = target.partition("?")[0]
        if path == self._telemetry_path:
            return self._metrics(accept)
        match path:
            case "/":
                page = landing(self._latest(), self._telemetry_path).encode()
                return Response(HTTPStatus.OK, page, "text/html; charset=utf-8", HEADERS)
            case "/-/healthy":
                return text_response(HTTPStatus.OK, "healthy")
            case "/-/ready":
                return self._ready()
            case _:
                return text_response(HTTPStatus.NOT_FOUND)

    def _metrics(self, accept: str) -> Response:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # it compares the client's version, whatever that is, with numbers
            encode, content_type = choose_encoder("")
        return Response(HTTPStatus.OK, encode(self._registry), content_type)

    def _ready(self) -> Response:
        snapshot = self._latest()
        if snapshot.ready:
            return text_response(HTTPStatus.OK, "ready")
        missing = [probe.name for probe in snapshot.health.probes if probe.required and not probe.attached] or ["all"]
        return text_response(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready; probes not attached: {', '.join(missing)}")
