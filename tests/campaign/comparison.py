"""The daemon's rows beside what the contract says of each process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.campaign.contract import Contract, Process, View
from tests.campaign.history import History
from tests.scenarios.world import address

__all__ = ["Disagreement", "Tally", "compare"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What the contract says and the daemon does not."""

    kind: str
    who: str
    wanted: object
    seen: object
    check: int = 0
    """Which comparison of the history it was, the first is 0."""

    def __str__(self) -> str:
        return f"{self.kind} of {self.who}: the contract says {self.wanted}, the daemon {self.seen}"


@dataclass(slots=True)
class Tally:
    """What was compared."""

    rows: int = 0
    vague: int = 0


def compare(
    history: History, views: Mapping[str, Row], rows: Mapping[int, Row], now: float, tally: Tally
) -> list[Disagreement]:
    """Compare each living process of a history with its row, and each view with the daemon's, both of a moment."""
    history.learn(rows)
    found: list[Disagreement] = []
    judged: dict[str, View] = {}
    for name, model in history.models.items():
        if not model.lives:
            continue
        row = rows.get(history.processes[name].pid)
        tally.rows += 1
        if row is None or not model.pairs:
            if row is not None or model.pairs:
                found.append(Disagreement("listing", name, _expected(history, model, now), row and _shown(row)))
            continue
        tally.vague += any(pair.vague and not pair.flagged for pair in model.pairs.values())
        differences = _differences(history, model, row, now)
        found += [Disagreement(kind, name, wanted, seen) for kind, wanted, seen in differences]
        if judged.setdefault(row["view"], model.view) is not model.view:
            found.append(Disagreement("view", name, model.view.label, judged[row["view"]].label))
    for view in judged.values():
        shown = views.get(view.name or "")
        if shown is not None and shown["generation"] != view.generation:
            found.append(Disagreement("generation", view.label, view.generation, shown["generation"]))
    return found


def _differences(history: History, model: Process, row: Row, now: float) -> Iterator[tuple[str, object, object]]:
    contract = history.contract
    owner = history.processes.get(contract.owner(model).name)
    if owner is not None and row["owner"] != owner.pid:
        yield "owner", f"{owner.name} ({owner.pid})", row["owner"]
    if row["state"] not in (states := contract.state(model, now)):
        yield "state", sorted(states), (row["state"], row["reason"])
    if (row["stale_since"] is not None) != (row["state"] == "stale"):
        yield "stale_since", row["state"], row["stale_since"]
    if (last_read := (row["last_read"] or {}).get("generation")) not in model.generations:
        yield "last read", sorted(map(str, model.generations)), last_read
    if row["view"] != model.view.name:
        yield "view", (model.view.label, model.view.name), row["view"]
    wanted, seen = _wanted(model), _seen(row)
    if wanted != seen and not (model.split_is_open and _added_up(wanted) == _added_up(seen)):
        yield "counts", sorted(wanted.items()), sorted(seen.items())
    yield from _pairs(contract, model, row, now)


def _pairs(contract: Contract, model: Process, row: Row, now: float) -> Iterator[tuple[str, object, object]]:
    """Compare the states of pairs; the row does not tell network namespaces apart."""
    for letter in {letter for letter, _ in model.pairs}:
        places = [place for place in model.pairs if place[0] == letter]
        allowed = set().union(*(contract.pair_states(model, place, now) for place in places))
        shown = {use["state"] for use in row["nameservers"] if use["address"] == address(letter)}
        if not shown <= allowed:
            yield f"state on {letter}", sorted(allowed), sorted(shown)


def _wanted(model: Process) -> Counter[tuple[str, str, int, int]]:
    """Give (address, transport, own queries, workers' queries) as often as there are such pairs."""
    return Counter(
        (address(letter), transport, pair.own[transport], pair.workers[transport])
        for (letter, _), pair in model.pairs.items()
        for transport in ("udp", "tcp")
        if pair.own[transport] or pair.workers[transport]
    )


def _seen(row: Row) -> Counter[tuple[str, str, int, int]]:
    return Counter(
        (use["address"], use["transport"], use["queries"], use["worker_queries"]) for use in row["nameservers"]
    )


def _added_up(counts: Counter[tuple[str, str, int, int]]) -> Counter[tuple[str, str, int]]:
    """Give the same without telling own queries from workers'."""
    return Counter((where, transport, own + workers) for where, transport, own, workers in counts.elements())


def _expected(history: History, model: Process, now: float) -> object:
    """Give what a row should say; nothing if there should be none."""
    if not model.pairs:
        return None
    return sorted(history.contract.state(model, now)), sorted(_wanted(model).items())


def _shown(row: Row) -> tuple[object, ...]:
    return row["state"], row["owner"], sorted(_seen(row).items()), row["reason"]
