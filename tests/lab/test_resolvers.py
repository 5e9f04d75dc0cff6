"""Real glibc processes in the lab's world, before and after resolv.conf changes: the report's experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.demo.lab import NAME, NEW_ANSWER, OLD_ANSWER, WAYS, Experiment, Program, Way, experiment, wait_until
from tests.support.building import build

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_RELOAD = {"RES_OPTIONS": "no-reload"}


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment: hat.com is .203 at the old nameserver and .204 at the new one."""
    with experiment() as made:
        yield made


def start(lab: Experiment, name: str, *options: str, env: dict[str, str] | None = None) -> Program:
    """Start one of our programs with an answer every 20 ms, and wait for its first, the old server's."""
    program = lab.world.start([build(name, "-lresolv"), NAME, "20", *options], env)
    assert program.wait_for_line(OLD_ANSWER)
    return program


def stays(program: Program, answers: int = 10) -> bool:
    """Say whether the next `answers` answers are the old server's. The first may be to a query already on its way."""
    skip = len(program.lines())
    wait_until(lambda: len(program.lines()) >= skip + 3 * answers, 10, f"more of {program}")
    after = [line for line in program.lines()[skip:] if "192." in line]
    return len(after) >= answers and all(line.endswith(OLD_ANSWER) for line in after)


@pytest.mark.parametrize("way", WAYS)
def test_plain_glibc_moves(lab: Experiment, way: Way) -> None:
    """Today's glibc notices every way of changing the file."""
    program = start(lab, "getaddrinfo_loop")
    lab.change(way)
    assert program.wait_for_line(NEW_ANSWER)


def test_plain_glibc_moves_when_only_the_links_target_changes(lab: Experiment) -> None:
    """Behind a link that stays the same, a replaced target is noticed too."""
    lab.change_back("symlink")
    program = start(lab, "getaddrinfo_loop")
    lab.change("symlink-target")
    assert program.wait_for_line(NEW_ANSWER)


def test_plain_glibc_queries_loopback_when_the_file_is_removed(lab: Experiment) -> None:
    """Without resolv.conf the nameserver is 127.0.0.1, where nobody answers here."""
    program = start(lab, "getaddrinfo_loop")
    lab.world.delete_resolv_conf()
    assert program.wait_for_line("error: Temporary failure in name resolution")


@pytest.mark.parametrize("way", WAYS)
def test_glibc_without_reload_stays(lab: Experiment, way: Way) -> None:
    """RES_OPTIONS=no-reload brings back the glibc of the report, which reads the file once."""
    program = start(lab, "getaddrinfo_loop", env=NO_RELOAD)
    lab.change(way)
    assert stays(program)
    assert not lab.new.queries()


def test_nscd_moves_its_clients(lab: Experiment) -> None:
    """With nscd running, a process that never re-reads the file gets the new answer all the same."""
    lab.world.start_nscd()
    program = start(lab, "getaddrinfo_loop", env=NO_RELOAD)
    lab.change()
    assert program.wait_for_line(NEW_ANSWER)


def test_nscd_does_not_move_res_query(lab: Experiment) -> None:
    """res_*() does not go through nscd (glibc bug 984)."""
    lab.world.start_nscd()
    program = start(lab, "res_query_loop", "0", env=NO_RELOAD)
    lab.change()
    assert stays(program)


def test_res_query_moves_at_its_next_res_init(lab: Experiment) -> None:
    """Between the change and the next res_init() every answer is the old server's, from then on the new one's."""
    program = start(lab, "res_query_loop", "8", env=NO_RELOAD)
    program.wait_for_line("reinit")
    lab.change()
    program.wait_for_line(NEW_ANSWER)
    lines = program.lines()
    first_new = next(number for number, line in enumerate(lines) if NEW_ANSWER in line)
    last_reinit = max(number for number in range(first_new) if lines[number] == "reinit")
    assert OLD_ANSWER not in "".join(lines[last_reinit:])
    assert all(NEW_ANSWER not in line for line in lines[:last_reinit])


def test_a_state_of_ones_own_stays(lab: Experiment) -> None:
    """A program with its own __res_state stays without any option: Postfix is one."""
    program = start(lab, "frozen_state")
    lab.change()
    assert stays(program)
    assert not lab.new.queries()


@pytest.mark.parametrize("options", [(), ("daemon",)])
def test_forked_jobs_stay(lab: Experiment, options: tuple[str, ...]) -> None:
    """Children of a process that has read the file query the server it read, each a pid of its own."""
    program = start(lab, "fork_jobs", *options)
    lab.change()
    assert stays(program)
    assert not lab.new.queries()
    jobs = [line.split()[1] for line in program.lines() if line.startswith("job")]
    assert len(set(jobs)) == len(jobs)
    assert (program.poll() == 0) == (options == ("daemon",))


def test_a_job_that_execs_moves(lab: Experiment) -> None:
    """After exec a child re-reads the file."""
    program = start(lab, "fork_jobs", "exec")
    lab.change()
    assert program.wait_for_line(NEW_ANSWER)
