"""DNS over TLS (RFC 7858): a server that logs and answers, a client that queries. Run as a program, in a world.

dot.py serve ADDRESS CERTIFICATE KEY        answers that there is no such name; logs queries as dnsmasq does
dot.py ask ADDRESS CERTIFICATE NAME COUNT   queries on one connection, and waits for each answer; then stays
"""

from __future__ import annotations

import signal
import socket
import ssl
import sys

PORT = 853
TYPE_A, CLASS_IN = 1, 1
HEADER_BYTES = 12
NO_SUCH_NAME = b"\x81\x83"


def serve(address: str, certificate: str, key: str) -> None:
    """Serve one connection after another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server((address, PORT)) as listener:
        say("ready")
        while True:
            connection, client = listener.accept()
            with context.wrap_socket(connection, server_side=True) as stream:
                while question := receive(stream):
                    say(f"dot: query[A] {name_in(question)} from {client[0]}")
                    send(stream, question[:2] + NO_SUCH_NAME + question[4:])


def ask(address: str, certificate: str, name: str, count: str) -> None:
    """Ask, having verified whom."""
    context = ssl.create_default_context(cafile=certificate)
    with (
        socket.create_connection((address, PORT)) as connection,
        context.wrap_socket(connection, server_hostname=address) as stream,
    ):
        for number in range(int(count)):
            send(stream, query(number, name))
            if receive(stream)[:4] != number.to_bytes(2) + NO_SUCH_NAME:
                sys.exit("another answer")
        say(f"done, {stream.version()}")
        signal.pause()


def query(number: int, name: str) -> bytes:
    """Give a DNS query (RFC 1035)."""
    labels = b"".join(len(label).to_bytes() + label.encode() for label in name.split("."))
    header = b"".join(field.to_bytes(2) for field in (number, 0x0100, 1, 0, 0, 0))
    return header + labels + b"\0" + TYPE_A.to_bytes(2) + CLASS_IN.to_bytes(2)


def name_in(question: bytes) -> str:
    """Give the name that is queried."""
    labels, at = [], HEADER_BYTES
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels)


def send(stream: ssl.SSLSocket, message: bytes) -> None:
    """Send a message in one record."""
    stream.sendall(len(message).to_bytes(2) + message)


def receive(stream: ssl.SSLSocket) -> bytes:
    """Receive a message; empty at the end."""
    return exactly(stream, int.from_bytes(exactly(stream, 2)))


def exactly(stream: ssl.SSLSocket, size: int) -> bytes:
    """Receive so many bytes, or what there is before the end."""
    data = b""
    while len(data) < size and (more := stream.recv(size - len(data))):
        data += more
    return data


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        ask(*sys.argv[2:])
