"""What several commands take: types for argparse, which import only what a given argument needs."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

__all__ = ["add_socket", "address", "duration", "unit_format"]


def add_socket(parser: ArgumentParser) -> None:
    """Add the option that names the daemon's socket."""
    from exporter.feed.client import DEFAULT_SOCKET  # noqa: PLC0415

    parser.add_argument("--socket", metavar="PATH", default=DEFAULT_SOCKET, help="the daemon's socket (%(default)s)")


def address(text: str) -> str:
    """Return a nameserver's address in canonical form."""
    from tracer.resolvconf.addresses import canonical_text  # noqa: PLC0415

    try:
        return canonical_text(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an IPv4 or IPv6 address") from None


def duration(text: str) -> int:
    """Return a duration such as 90s or 12h, in seconds."""
    from exporter.text.durations import parse_duration  # noqa: PLC0415

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def unit_format(text: str) -> str:
    """Return a format for the name of a unit."""
    from exporter.text.services import formatted  # noqa: PLC0415

    try:
        formatted(text, [])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text
