"""What is said of each row: what was counted, for whom, and whether that is as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.scorecard.row import Asked, Row
from tests.scorecard.running import Process, Seen

_COMM_BYTES = 15


@dataclass(frozen=True)
class Verdict:
    """One line of the scorecard. Without ``problems`` the row holds."""

    row: Row
    sent: int
    counted: tuple[Asked, ...]
    attributed: tuple[str, ...]
    problems: tuple[str, ...]


def compare(row: Row, seen: Seen) -> Verdict:
    """Compare what was seen with what the row says."""
    of_process, of_other = asked(seen.process), asked(seen.other)
    attributed = [seen.process["comm"]] if seen.process else []
    if seen.other:
        attributed.append(f"{seen.other['comm']}, the {row.other_is}")
    if row.gone:
        of_other += [Asked(address, queries) for queries, address in seen.past_uses]
        attributed += [f"{row.argv[0]}, the child, gone" for _ in seen.past_uses]
    return Verdict(
        row,
        sent=seen.received,
        counted=(*of_process, *of_other),
        attributed=tuple(attributed),
        problems=(seen.problem,) if seen.problem else tuple(problems(row, seen, of_process, of_other)),
    )


def problems(row: Row, seen: Seen, of_process: list[Asked], of_other: list[Asked]) -> Iterator[str]:
    """Say in words what is not as it should be."""
    if seen.received != row.received:
        yield f"the nameservers received {seen.received}, not {row.received}"
    for whose, wanted, counted in (("process", row.asks, of_process), (row.other_is, row.other or (), of_other)):
        expected = [replace(one, address=seen.fill(one.address)) for one in wanted]
        if sorted(map(str, expected)) != sorted(map(str, counted)):
            yield f"counted for the {whose}: {listed(counted)}; not {listed(expected)}"
    if seen.process and not row.asks:
        yield f"pid {seen.pid} is tracked"
    if seen.lost < row.lost:
        yield f"{seen.lost} segments are said to be lost, not {row.lost}"
    if seen.strangers:
        yield f"counted for others: {', '.join(seen.strangers)}"
    for process in filter(None, (seen.process, seen.other)):
        for use in process["nameservers"]:
            if use["estimated"] != (use["transport"] != "udp"):
                yield f"{use['address']}: estimated is {use['estimated']}"
    if seen.process:
        yield from misdescribed(row, seen, seen.process)


def misdescribed(row: Row, seen: Seen, process: Process) -> Iterator[str]:
    """Say what else of the process is not as the row has it."""
    expected = {"uid": 0, **row.place.row}
    if not row.argv[0].endswith(".py"):
        expected["comm"] = "".join((row.argv[0], *row.flags))[:_COMM_BYTES]
    for key, value in expected.items():
        if process[key] != value:
            yield f"{key} is {process[key]!r}, not {value!r}"
    nameservers = seen.views.get(process["view"])
    if nameservers != [row.place.listed]:
        yield f"its view {process['view']} lists {nameservers}, not {row.place.listed}"


def asked(process: Process | None) -> list[Asked]:
    """Give what `check --json` says that a process queried."""
    return [
        Asked(use["address"], use["queries"], use["transport"], use["port"], use["worker_queries"])
        for use in sorted(process["nameservers"] if process else (), key=lambda use: str(use["address"]))
    ]


def listed(asks: list[Asked]) -> str:
    """Give them in words."""
    return "; ".join(map(str, asks)) or "nothing"
