"""The metrics as a file for node_exporter's textfile collector.

The collector reads the older text format, other tools require OpenMetrics. The two name counters and infos differently,
so these have no type here, which both accept; only gauges have one. The end is marked as OpenMetrics requires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from exporter.prometheus import metrics
from tracer.report.snapshot import Snapshot

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
