"""The latest snapshot as Prometheus metrics.

Names and labels are stable. Counters are totals of the tracer, so nothing is kept here between scrapes: a custom
collector renders all families from one snapshot, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from exporter.escape import printable
from exporter.prometheus.groups import GROUP_LABELS, frozen, groups, stale_processes, without_answers
from tracer.lookups import LookupPath, Transport
from tracer.report.answering import nameservers_answering
from tracer.report.snapshot import Snapshot
from tracer.verdict.states import State

__all__ = ["registry"]

_NANOSECONDS = 1_000_000_000
_HOST = "host"
_OTHER_VIEWS = "~other"


def registry(latest: Callable[[], Snapshot]) -> CollectorRegistry:
    """Return a registry whose only collector renders ``latest()`` at each scrape, and not before."""
    own = CollectorRegistry(auto_describe=False)
    own.register(_SnapshotCollector(latest))
    return own


class _SnapshotCollector:
    def __init__(self, latest: Callable[[], Snapshot]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """Yield every family, all from one snapshot."""
        snapshot = self._latest()
        yield from _flag(snapshot)
        yield from _processes(snapshot)
        yield from _resolv_conf(snapshot)
        yield from _health(snapshot)


def _flag(snapshot: Snapshot) -> Iterator[Metric]:
    stale = groups(snapshot, State.STALE)
    yield GaugeMetricFamily(
        "resolvtrace_stale_processes",
        "Processes flagged now: they still query a nameserver that their resolv.conf no longer lists.",
        value=stale_processes(snapshot),
    )
    yield _gauge(
        "resolvtrace_stale_resolver",
        "The flag: processes of this group that are stale on this nameserver.",
        GROUP_LABELS,
        ((group.labels, group.processes) for group in stale),
    )
    yield _gauge(
        "resolvtrace_outdated_resolver",
        "Processes of this group whose own resolv.conf still lists a nameserver that the host's no longer does.",
        GROUP_LABELS,
        ((group.labels, group.processes) for group in groups(snapshot, State.OUTDATED)),
    )
    yield _gauge(
        "resolvtrace_frozen_resolver",
        "Processes of this group that query this listed nameserver, and would stay with it if it were removed now.",
        GROUP_LABELS,
        ((group.labels, group.processes) for group in frozen(snapshot)),
    )
    yield _gauge(
        "resolvtrace_unanswered_resolver",
        "Flagged processes of this group whose queries to this nameserver stay unanswered.",
        GROUP_LABELS,
        ((group.labels, group.processes) for group in without_answers(snapshot)),
    )
    yield _gauge(
        "resolvtrace_stale_since_timestamp_seconds",
        "When the process of this group that has been stale longest was flagged.",
        GROUP_LABELS,
        ((group.labels, _seconds(group.since)) for group in stale if group.since is not None),
    )


def _processes(snapshot: Snapshot) -> Iterator[Metric]:
    yield _counter(
        "resolvtrace_queries_total",
        "DNS queries, each counted once, by the state of its process and nameserver at that time.",
        ("state", "transport"),
        (
            ((state, transport), snapshot.queries_total.get((state, transport), 0))
            for state in State
            for transport in Transport
        ),
    )
    states = [process.state for process in snapshot.processes]
    yield _gauge(
        "resolvtrace_processes",
        "Tracked processes by state.",
        ("state",),
        (((state,), states.count(state)) for state in State),
    )
    paths = [process.lookup_path for process in snapshot.processes]
    yield _gauge(
        "resolvtrace_lookup_path_processes",
        "Tracked processes by the way they look up names.",
        ("path",),
        (((path,), paths.count(path)) for path in LookupPath),
    )


def _resolv_conf(snapshot: Snapshot) -> Iterator[Metric]:
    nameservers = InfoMetricFamily(
        "resolvtrace_resolv_conf_nameserver",
        "A nameserver of the host's resolv.conf and its position there, from 1.",
        labels=("view", "nameserver", "position"),
    )
    last_change: dict[str, int] = {}
    for view in snapshot.views:
        name = _HOST if view.id == _HOST else _OTHER_VIEWS
        last_change[name] = max(view.changed_at, last_change.get(name, 0))
        if view.id == _HOST:
            for position, address in enumerate(view.nameservers, 1):
                nameservers.add_metric((_HOST, address, str(position)), {})
    yield nameservers
    yield _gauge(
        "resolvtrace_nameserver_answering",
        "Whether a nameserver of the host's resolv.conf answers, if it was queried in the last five minutes.",
        ("nameserver",),
        (((address,), int(answers)) for address, answers in nameservers_answering(snapshot).items()),
    )
    yield _counter(
        "resolvtrace_resolv_conf_changes_total",
        "Changes of the nameservers that a resolv.conf lists; ~other is every view except the host's.",
        ("view",),
        (((view,), count) for view, count in snapshot.changes_total.items()),
    )
    yield _gauge(
        "resolvtrace_resolv_conf_last_change_timestamp_seconds",
        "Last change of the nameservers that a resolv.conf lists; ~other is every view except the host's.",
        ("view",),
        (((view,), _seconds(at)) for view, at in last_change.items()),
    )


def _health(snapshot: Snapshot) -> Iterator[Metric]:
    probes, maps = snapshot.health.probes, snapshot.maps
    yield _gauge(
        "resolvtrace_probe_attached",
        "Whether the probe is attached to the kernel.",
        ("probe",),
        (((probe.name,), int(probe.attached)) for probe in probes),
    )
    yield _counter(
        "resolvtrace_probe_runs_total",
        "Runs of the probe, if the kernel counts them.",
        ("probe",),
        (((probe.name,), probe.runs) for probe in probes if probe.runs is not None),
    )
    yield _counter(
        "resolvtrace_probe_run_seconds_total",
        "Time spent in the probe, if the kernel counts it.",
        ("probe",),
        (((probe.name,), probe.run_seconds) for probe in probes if probe.run_seconds is not None),
    )
    yield _gauge(
        "resolvtrace_map_entries",
        "Entries in the BPF map.",
        ("map",),
        (((bpf_map.name,), bpf_map.entries) for bpf_map in maps),
    )
    yield _gauge(
        "resolvtrace_map_capacity",
        "Entries that the BPF map can hold.",
        ("map",),
        (((bpf_map.name,), bpf_map.capacity) for bpf_map in maps),
    )
    yield _counter(
        "resolvtrace_lost_total",
        "What happened and could not be recorded: it may hide a stale process or a count.",
        ("reason",),
        (((reason,), count) for reason, count in snapshot.health.lost.items()),
    )
    yield _counter(
        "resolvtrace_unidentified_total",
        "What was recorded although its program, unit or resolv.conf is not known: no cause for alarm.",
        ("reason",),
        (((reason,), count) for reason, count in snapshot.health.unidentified.items()),
    )
    yield InfoMetricFamily(
        "resolvtrace_build",
        "Versions of resolvtrace, of the BCC that compiled its probes, and of the kernel.",
        value={"version": snapshot.version, "bcc": snapshot.bcc, "kernel": printable(snapshot.kernel)},
    )


def _gauge(
    name: str, help_text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(
    name: str, help_text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / _NANOSECONDS
