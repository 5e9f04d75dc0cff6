"""One HTTP/1.1 connection: requests in, answers out, framed by h11."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from http import HTTPStatus

import h11

from exporter.pages import Answer, plain

__all__ = ["Conversation"]

_CHUNK = 16 * 1024


class Conversation:
    """The server's end of a connection. ``head_bytes`` bounds a request line and its headers together.

    Call :meth:`receive`, :meth:`send`, then :meth:`next_request` to see whether there is another round.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=head_bytes)
        self._method = b""

    async def receive(self) -> h11.Request | Answer | None:
        """Return the next request; the answer to give at once where it is rubbish; None where the client is gone.

        A body is not waited for: no page takes one.
        """
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
            if not isinstance(event, h11.Request):
                return None
            self._method = event.method
            self._http.next_event()
        except h11.RemoteProtocolError as error:
            return plain(HTTPStatus(error.error_status_hint), str(error))
        return event

    async def send(self, answer: Answer) -> None:
        """Send an answer, without its body to HEAD, and wait until the kernel has taken it."""
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        if self._http.their_state is not h11.DONE:  # rubbish, or a body that nobody reads
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=answer.status, reason=answer.status.phrase, headers=headers)
        body = b"" if self._method == b"HEAD" else answer.body
        events = (head, h11.Data(body), h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    def next_request(self) -> bool:
        """Make ready for another request. False where the connection ends here."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def first_bytes(self) -> None:
        """Wait until some of the next request is there, or the client is gone."""
        if not self._http.trailing_data[0]:
            self._http.receive_data(await self._reader.read(_CHUNK))
