"""What several commands take: types for argparse, which import only what a given argument needs."""

from __future__ import annotations

from argparse import ArgumentTypeError

__all__ = ["address", "unit_format"]


def address(text: str) -> str:
    """Return a nameserver's address in canonical form."""
    from tracer.resolvconf.addresses import canonical_text  # noqa: PLC0415

    try:
        return canonical_text(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an IPv4 or IPv6 address") from None


def unit_format(text: str) -> str:
    """Return a format for the name of a unit."""
    from exporter.text.services import formatted  # noqa: PLC0415

    try:
        formatted(text, [])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text
