"""The metrics as a file for node_exporter's textfile collector.

It reads the older text format; other tools want OpenMetrics. The two differ in how they name counters and infos, so
here those have no type, which both take, and only gauges have one. The end is marked as OpenMetrics wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from exporter import metrics
from tracer.snapshot import Snapshot

__all__ = ["textfile"]


def textfile(latest: Callable[[], Snapshot]) -> str:
    """Return the exposition of the latest snapshot."""
    families = metrics.registry(latest).collect()
    return "".join(f"{line}\n" for family in families for line in _lines(family)) + "# EOF\n"


def _lines(family: Metric) -> Iterator[str]:
    if family.type == "gauge":
        yield f"# HELP {family.name} {_escape(family.documentation)}"
        yield f"# TYPE {family.name} gauge"
    yield from map(_sample, family.samples)


def _sample(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}"


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
