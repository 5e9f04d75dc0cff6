"""/metrics says what the snapshot says, in both formats, to the strictest reader there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Metric, exposition
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from exporter.prometheus import metrics
from exporter.prometheus.groups import GROUP_LABELS, MOST_GROUPS, groups
from exporter.prometheus.textfile import textfile
from tests.support.samples import CHANGE, FIXTURES, NEW, OLD, SECOND, full, process, snapshot, use
from tracer.lookups import Transport
from tracer.report.snapshot import Snapshot
from tracer.verdict.answers import Answers
from tracer.verdict.following import Follows
from tracer.verdict.states import State

ENCODERS: dict[str, Callable[[CollectorRegistry], bytes]] = {
    "metrics.txt": exposition.generate_latest,
    "metrics.openmetrics": openmetrics.generate_latest,
}


def parse_openmetrics(text: str) -> Iterator[Metric]:
    """Parse OpenMetrics, strictly."""
    yield from openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]


def parse_text(text: str) -> Iterator[Metric]:
    """Parse the text format."""
    yield from text_parser.text_string_to_metric_families(text)


def render(value: Snapshot, form: str = "metrics.openmetrics") -> str:
    """Return the exposition of a snapshot."""
    return ENCODERS[form](metrics.registry(lambda: value)).decode()


def samples(value: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of one name by their label values (unit, comm, nameserver), through the strict parser."""
    found: dict[tuple[str, ...], float] = {}
    for family in parse_openmetrics(render(value)):
        for sample in family.samples:
            if sample.name == name:
                key = tuple(sample.labels[label] for label in GROUP_LABELS if label in sample.labels)
                key = key or tuple(sample.labels.values())
                assert key not in found
                found[key] = sample.value
    return found


@pytest.mark.parametrize("form", ENCODERS)
def test_the_exposition_is_the_recorded_one(form: str) -> None:
    """Every metric of the contract, under its exact name."""
    assert render(full(), form) == (FIXTURES / form).read_text()


def test_both_formats_parse_to_the_same_samples() -> None:
    """A counter's ``_total`` is in both, and no sample is in one alone."""

    def flat(families: list[Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    text = flat(list(parse_text(render(full(), "metrics.txt"))))
    strict = flat(list(parse_openmetrics(render(full()))))
    assert text == strict
    assert text["resolvtrace_queries_total", frozenset({("state", "stale"), ("transport", "udp")})] == 1234


def test_nothing_is_rendered_before_the_first_scrape() -> None:
    """Registration must not collect: there may be no snapshot yet."""

    def no_snapshot() -> Snapshot:
        raise AssertionError("collected at registration")

    metrics.registry(no_snapshot)


def test_every_scrape_shows_the_latest_snapshot() -> None:
    """The callable is called each time, and once, so that all families agree."""
    values = iter([snapshot(), snapshot(process(1, State.STALE))])
    registry = metrics.registry(lambda: next(values))
    assert "resolvtrace_stale_processes 0.0" in exposition.generate_latest(registry).decode()
    assert "resolvtrace_stale_processes 1.0" in exposition.generate_latest(registry).decode()


def test_no_flag_is_a_zero_and_no_series() -> None:
    """An alert can be written on what is always there; a group is there only while it is flagged."""
    assert samples(snapshot(), "resolvtrace_stale_processes") == {(): 0}
    assert samples(snapshot(), "resolvtrace_stale_resolver") == {}


def test_a_worker_is_not_counted_in_the_flag() -> None:
    """Its owner is flagged for it."""
    value = snapshot(process(1, State.STALE), process(2, State.STALE, owner=1, worker=True))
    assert samples(value, "resolvtrace_stale_processes") == {(): 1}
    assert samples(value, "resolvtrace_stale_resolver") == {("", "getip", OLD): 1}
    assert samples(value, "resolvtrace_processes")["stale",] == 2


def test_a_process_counts_once_in_its_group() -> None:
    """UDP and TCP to the same nameserver are one flag; a pair in another state is none."""
    pairs = (use(State.STALE), use(State.STALE, transport=Transport.TCP), use(State.CURRENT, "10.0.0.1"))
    value = snapshot(process(1, State.STALE, nameservers=pairs), process(2, State.STALE))
    assert samples(value, "resolvtrace_stale_resolver") == {("", "getip", OLD): 2}


def test_a_group_is_as_old_as_its_oldest() -> None:
    """``stale_since`` of the first that was flagged, in seconds."""
    value = snapshot(
        process(1, State.STALE, stale_since=CHANGE + 9 * SECOND), process(2, State.STALE, stale_since=CHANGE)
    )
    since = samples(value, "resolvtrace_stale_since_timestamp_seconds")
    assert since == {("", "getip", OLD): pytest.approx(CHANGE / SECOND, abs=1e-3)}


def test_groups_beyond_the_bound_are_taken_together() -> None:
    """Those flagged first keep their names; in the rest a process still counts once."""
    flood = [process(pid, State.STALE, f"c{pid}", stale_since=CHANGE + pid) for pid in range(1, MOST_GROUPS + 1)]
    both = process(99, State.STALE, "late", nameservers=(use(State.STALE), use(State.STALE, "10.9.9.9")))
    last = process(98, State.STALE, "later", stale_since=CHANGE + 99 * SECOND)
    found = samples(snapshot(last, both, *reversed(flood)), "resolvtrace_stale_resolver")
    assert len(found) == MOST_GROUPS + 1
    assert found["~other", "~other", "~other"] == 2
    assert all(found["", f"c{pid}", OLD] == 1 for pid in range(1, MOST_GROUPS + 1))


def test_hostile_commands_that_look_alike_make_one_series() -> None:
    """A duplicate series would cost Prometheus the whole scrape."""
    value = snapshot(process(1, State.STALE, "\udcff"), process(2, State.STALE, "\\xff"))
    assert samples(value, "resolvtrace_stale_resolver") == {("", "\\xff", OLD): 2}


def test_who_would_stay_is_counted_before_the_change() -> None:
    """By group: those that query what their resolv.conf lists, and are known not to follow; no worker, no rule's."""
    stays = process(1, follows=Follows.NO)
    value = snapshot(
        stays,
        replace(stays, pid=2),
        replace(stays, pid=3, owner=1, worker=True),
        replace(stays, pid=4, nameservers=(use(State.CURRENT, NEW, rules=("lab",)),)),
        replace(stays, pid=5, nameservers=(use(State.UNLISTED, "9.9.9.9"),)),
        process(6, follows=Follows.UNKNOWN),
        process(7),
    )
    assert samples(value, "resolvtrace_frozen_resolver") == {("", "getip", NEW): 2}


def test_every_state_and_path_is_present() -> None:
    """Zero included, so that a rate or a sum never starts from nothing."""
    assert set(samples(snapshot(), "resolvtrace_processes")) == {(state.value,) for state in State}
    assert len(samples(snapshot(), "resolvtrace_lookup_path_processes")) == 7
    assert len(samples(snapshot(), "resolvtrace_queries_total")) == len(State) * len(Transport)


def test_a_unit_is_preferred_to_a_container() -> None:
    """A container's short id stands in for a unit if there is none; pods' names are too many for a label."""
    bare = process(1, State.STALE, container="0123456789abcdef", pod="shop/web-0")
    value = snapshot(bare, replace(bare, pid=2, unit="a.service"))
    assert set(samples(value, "resolvtrace_stale_resolver")) == {
        ("0123456789ab", "getip", OLD),
        ("a.service", "getip", OLD),
    }


def test_what_rules_ignore_is_in_no_group_of_the_flag() -> None:
    """Nor is it counted as flagged."""
    ignored = use(State.STALE, rules=("lab",), ignored=True)
    assert groups(snapshot(process(1, nameservers=(ignored,))), State.STALE) == []


def test_no_command_line_is_in_any_metric() -> None:
    """It may hold a password; it is for the socket alone."""
    value = snapshot(process(1, State.STALE, command=("getip", "--password=secret"), follows=Follows.NO))
    assert "secret" not in render(value) + textfile(lambda: value)


def test_whose_lookups_fail_has_a_series() -> None:
    """Of the flagged only: those that get no answers."""
    failing = process(1, State.STALE, nameservers=(use(State.STALE, answers=Answers.NO),))
    value = snapshot(failing, process(2, State.STALE, nameservers=(use(State.STALE, answers=Answers.YES),)))
    assert samples(value, "resolvtrace_unanswered_resolver") == {("", "getip", OLD): 1}
    assert samples(value, "resolvtrace_stale_resolver") == {("", "getip", OLD): 2}


def test_whether_the_hosts_nameservers_answer_has_a_series() -> None:
    """As far as it is known."""
    value = snapshot(process(1, nameservers=(use(State.CURRENT, NEW, answers=Answers.NO),)))
    assert samples(value, "resolvtrace_nameserver_answering") == {(NEW,): 0}
    assert samples(snapshot(process(1)), "resolvtrace_nameserver_answering") == {}
