"""A plan, stage by stage: who runs when, and what is said of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.platforms.keeper import Done, Keeper, keeper
from tests.platforms.plans import Stage, title

_LINES_OF_A_FAILURE = 400


def run(plan: Sequence[Stage], say: Callable[[str], None] = print) -> list[Done]:
    """Run a plan; gives what was run, in order. A root in which a command fails is left alone from then on."""
    suites = list(dict.fromkeys(suite for stage in plan for suite in stage))
    done: list[Done] = []
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(suites)) as pool:
        keepers = {suite: stack.enter_context(keeper(suite)) for suite in suites}
        for stage in plan:
            jobs = [pool.submit(_run_all, keepers[suite], commands, say) for suite, commands in stage.items()]
            done += [one for job in jobs for one in job.result()]
    return done


def failed(done: Iterable[Done]) -> bool:
    """Say whether anything failed."""
    return any(one.status for one in done)


def _run_all(there: Keeper, commands: Iterable[str], say: Callable[[str], None]) -> list[Done]:
    done = []
    for command in commands:
        if there.failed:
            say(f"== {there.suite}: {command}: not tried")
            break
        one = there.run(command)
        if one.status:
            say("\n".join(one.log.splitlines()[-_LINES_OF_A_FAILURE:]))
        result = f"failed, status {one.status}" if one.status else "ok"
        say(f"== {there.suite}: {title(command)}: {result}, {one.seconds:.0f} s")
        done.append(one)
    return done
