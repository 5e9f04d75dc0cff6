"""docs/forecast.md: each resolver of the zoo, what was said before the change, and whether that came true."""

from __future__ import annotations

import datetime as dt
import platform
import re
from collections import Counter
from collections.abc import Mapping

from tests.zoo.forecasts import Outcome, Result, compare
from tests.zoo.observe import Observed

Results = Mapping[str, Result]
_NUMBER = re.compile(r"\b[0-9]+ queries|\bover [0-9]+ s\b|\bpid [0-9]+")
_HEAD = "| case | would | since it | did | came true |\n| --- | --- | --- | --- | --- |"
_TEXT = """# Forecasts that were put to the test

Before a change of resolv.conf, `resolvtrace forecast` says who would stay with a nameserver. Here each real resolver of
`make zoo` was watched for some {seconds} seconds with what it does all day, the forecast was made, then the file was
changed, and the nameservers' own logs and the flag showed what became of it. Written by `make forecast`, {date}, Linux
{kernel}, {machine}, with Debian 12's programs.

| right | unknown | wrong | not tried |
| --- | --- | --- | --- |
| {right} | {unknown} | {wrong} | {untried} |

*Would* is the forecast; *since it* what was seen that tells (N stands for a number). One that stays for a time and then
follows by itself, at its own pace, is flagged in between where that is longer than the grace period, which is a second
here.

## Right

{right_rows}

## Unknown

Each has its reason, and a change that resolvtrace has seen settles some of them: who watches the file with inotify(7)
and has followed once is known to follow.

{unknown_rows}

## Wrong

{wrong_rows}

## Not tried

What was said of these could not come true or fail: the change took nothing from them, or they queried nobody.

{untried_rows}
"""


def results(seen: Mapping[str, Mapping[str, Observed]]) -> Results:
    """Compare what was said with what came, for each case of each round."""
    return {f"{group}-{name}": compare(one) for group, cases in seen.items() for name, one in cases.items()}


def numbers(found: Results) -> str:
    """Count the forecasts by what became of them."""
    counted = Counter(one.outcome for one in found.values())
    return ", ".join(f"{counted[outcome]} {outcome.value}" for outcome in Outcome)


def markdown(found: Results, seconds: float) -> str:
    """Give the page."""
    counted = Counter(one.outcome for one in found.values())
    return _TEXT.format(
        seconds=int(seconds),
        date=dt.datetime.now(dt.UTC).date(),
        kernel=platform.release(),
        machine=platform.machine(),
        **{outcome.name.lower(): counted[outcome] for outcome in Outcome},
        **{f"{outcome.name.lower()}_rows": _rows(found, outcome) for outcome in Outcome},
    )


def _rows(found: Results, outcome: Outcome) -> str:
    rows = [
        f"| {name} | {one.would} | {_NUMBER.sub(_number, one.reason)} | {one.did} | {one.outcome.value} |"
        for name, one in found.items()
        if one.outcome is outcome
    ]
    return "\n".join([_HEAD, *rows]) if rows else "None."


def _number(found: re.Match[str]) -> str:
    return re.sub(r"[0-9]+", "N", found[0])
