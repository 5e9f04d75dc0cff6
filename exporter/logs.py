"""The daemon's log: one line an event on standard error, logfmt or JSON, with text from processes escaped."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from exporter.escape import printable
from exporter.feed.event_json import fields_of
from tracer.report.events import Event, Kind

_WARNINGS = frozenset({Kind.STALE, Kind.UNANSWERED})
_LOG = structlog.get_logger()


def _safe(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def configure(level: str, style: str) -> None:
    """Set up structlog for this process."""
    renderer = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _safe,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def log_event(event: Event) -> None:
    """Log an event, with the fields that ``resolvtrace events`` prints."""
    log = _LOG.warning if event.kind in _WARNINGS else _LOG.info
    log(event.kind.value, **fields_of(event))
