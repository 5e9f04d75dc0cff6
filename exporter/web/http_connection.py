"""One HTTP/1.1 connection: requests in, responses out, framed by h11."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from http import HTTPStatus

import h11

from exporter.web.routes import Response, text_response

__all__ = ["HTTPConnection"]

_CHUNK = 16 * 1024


class HTTPConnection:
    """The server's end of a connection. ``head_bytes``: the limit of a request line and its headers together.

    Call :meth:`receive`, :meth:`send`, then :meth:`next_request`, which says whether another request may follow.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=head_bytes)
        self._method = b""

    async def receive(self) -> h11.Request | Response | None:
        """Return the next request; the response to send at once if it is malformed; None if the client disconnected.

        A request's body is not read: no page takes one.
        """
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
            if not isinstance(event, h11.Request):
                return None
            self._method = event.method
            self._http.next_event()
        except h11.RemoteProtocolError as error:
            return text_response(HTTPStatus(error.error_status_hint), str(error))
        return event

    async def send(self, response: Response) -> None:
        """Send a response, without its body for HEAD, and wait until the kernel has taken it."""
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        if self._http.their_state is not h11.DONE:  # malformed, or a body that nobody reads
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=response.status, reason=response.status.phrase, headers=headers)
        body = b"" if self._method == b"HEAD" else response.body
        events = (head, h11.Data(body), h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    def next_request(self) -> bool:
        """Prepare for another request. False if the connection must be closed."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def first_bytes(self) -> None:
        """Wait for the first bytes of the next request, or until the client disconnects."""
        if not self._http.trailing_data[0]:
            self._http.receive_data(await self._reader.read(_CHUNK))
