"""Bare roots, as root of a Debian machine with the packages of `deploy/setup platforms`.

python3 -m tests.platforms ci                    what .ci/run runs
python3 -m tests.platforms all                   all tests in each root
python3 -m tests.platforms table PAGE            puts what these two and the machines of tests/vm recorded into PAGE
python3 -m tests.platforms run SUITE COMMAND...  these commands in a root of that suite
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.platforms import facts, plans, running, table
from tests.platforms.errors import PlatformError
from tests.platforms.keeper import Done
from tests.platforms.room import bare_root


def main(words: list[str]) -> int:
    """Do what the words say; gives the exit status."""
    match words:
        case ["ci"]:
            done = _run_plan("ci", plans.CI)
            for line in (line for one in done for line in facts.closing_lines(one.log)):
                print(line)
        case ["all"]:
            done = _run_plan("all", plans.PLATFORMS)
        case ["table", page]:
            table.write(Path(page), table.recorded())
            return 0
        case ["run", suite, *commands] if commands:
            return _run(suite, commands)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return int(running.failed(done))


def _run_plan(name: str, plan: Sequence[plans.Stage]) -> list[Done]:
    done = running.run(plan, partial(print, flush=True))
    for suite, row in table.rows(done).items():
        table.record(f"{name}-{suite}", row)
    return done


def _run(suite: str, commands: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and leave no root behind
    try:
        with bare_root(suite) as room:
            return next((status for status in map(room.run, commands) if status), 0)
    except PlatformError as error:
        print(f"{suite}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
