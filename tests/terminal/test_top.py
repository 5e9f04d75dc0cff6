"""`resolvtrace top` in a real terminal, against a real feed of a snapshot that stands still."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from exporter.feed.server import FeedServer
from tests.support.samples import CHANGE, FIXTURES, OLD, SECOND, Served, process, running, snapshot, use
from tests.support.terminal import Terminal
from tracer.verdict.states import State

TOP = str(Path(sys.executable).with_name("resolvtrace"))
SCREENS = FIXTURES.parent / "top"
ACTUAL = Path(__file__).parents[1] / ".build" / "screens"


@pytest.fixture
def daemon() -> Iterator[Served]:
    """Serve the full snapshot to begin with."""
    with tempfile.TemporaryDirectory() as directory:
        own = Served(f"{directory}/s")
        with serving(own):
            yield own


@contextmanager
def serving(own: Served) -> Iterator[None]:
    """Be the daemon for the block."""
    with running(lambda: FeedServer.start(own.ask, own.path)):
        yield


@contextmanager
def top(
    daemon: Served, *words: str, size: tuple[int, int] = (80, 24), env: dict[str, str] | None = None
) -> Iterator[Terminal]:
    """Run it in a terminal, and wait for its first screen."""
    with Terminal(*size, env) as terminal:
        terminal.run([TOP, "top", "--socket", daemon.path, *words])
        terminal.wait_for("quit")
        yield terminal


def rows(screen: str) -> list[str]:
    """Return the lines below the titles, to the last row."""
    lines = screen.splitlines()
    first = next(i for i, line in enumerate(lines) if "STATE" in line) + 1
    return [line for line in lines[first:-1] if line.strip()]


def pids(screen: str) -> list[int]:
    """Return the pids of the rows."""
    return [int(row.split()[1]) for row in rows(screen)]


@pytest.mark.parametrize("size", [(80, 24), (132, 40), (40, 22)], ids="{0[0]}x{0[1]}".format)
def test_the_screen_is_as_it_was_approved(daemon: Served, size: tuple[int, int]) -> None:
    """Compared with a screen that somebody looked at. Where the new one is right, copy it over the old."""
    with top(daemon, size=size) as terminal:
        screen = terminal.wait_until(lambda screen: screen.count("retired") >= 2, "the last row to show")
    name = f"{size[0]}x{size[1]}.txt"
    ACTUAL.mkdir(parents=True, exist_ok=True)
    (ACTUAL / name).write_text(screen)
    assert screen == (SCREENS / name).read_text(), f"see {ACTUAL / name}"


def test_a_line_never_passes_the_edge_and_no_byte_of_a_name_acts(daemon: Served) -> None:
    """A comm with escapes, a newline and a right-to-left mark is one cell of one row."""
    with top(daemon) as terminal:
        screen = terminal.wait_for(r"\x1b[31m")
    assert sum(r"\x1b" in line for line in screen.splitlines()) == 1
    assert "\u202e" not in screen


def test_words_are_looked_for_as_they_are_typed(daemon: Served) -> None:
    """Each must be in a row; Esc takes them away."""
    with top(daemon) as terminal:
        terminal.press("/")
        terminal.type("SENDM")
        terminal.wait_until(lambda screen: len(rows(screen)) <= 3 and "812" in screen, "sendmail's rows alone")
        terminal.type(" retired")
        terminal.wait_until(lambda screen: "filter: SENDM retired" in screen and "stale   " not in screen, "one row")
        terminal.press("Enter")
        terminal.press("Escape")
        terminal.wait_until(lambda screen: "node" in screen and "filter:" not in screen, "all rows")


def test_only_what_is_stale(daemon: Served) -> None:
    """And all again."""
    with top(daemon) as terminal:
        terminal.press("s")
        screen = terminal.wait_for("only stale")
        assert pids(screen) == [812, 5000, 4712, 4711]
        terminal.press("s")
        terminal.wait_until(lambda screen: "only stale" not in screen and "node" in screen, "all rows")


def test_rows_are_sorted_by_a_column_and_the_other_way_round(daemon: Served) -> None:
    """By key, and by a click on a title."""
    with top(daemon, "--stale") as terminal:
        terminal.press(">")
        assert pids(terminal.wait_for("▲PID")) == [812, 4711, 4712, 5000]
        terminal.press("r")
        assert pids(terminal.wait_for("▼PID")) == [5000, 4712, 4711, 812]
        screen = terminal.screen().splitlines()
        line = next(i for i, text in enumerate(screen) if "COMM" in text)
        terminal.click(screen[line].index("COMM") + 1, line + 1)
        terminal.wait_for("▲COMM")


def test_a_key_shows_command_lines(daemon: Served) -> None:
    """In full, as far as the terminal has room; and names again."""
    with top(daemon, size=(132, 40)) as terminal:
        assert "--loop" not in terminal.wait_for("4711")
        terminal.press("c")
        terminal.wait_for("/usr/bin/getip --loop 'a name'")
        terminal.press("c")
        terminal.wait_until(lambda screen: "--loop" not in screen, "names alone")


def test_a_unit_is_one_row_and_opens_into_its_processes(daemon: Served) -> None:
    """Queries of all of them together."""
    many = [process(pid, State.STALE, "worker", unit="app.service") for pid in range(900, 950)]
    daemon.snapshot = snapshot(*many, process(7, State.STALE, "other"))
    with top(daemon, "--group") as terminal:
        screen = terminal.wait_for("x50")
        assert re.search(r"stale +x50 worker +app +192\.168\.122\.65 +- +600 ", screen)
        terminal.press("Enter")
        screen = terminal.wait_for("filter: app")
        assert "900" in screen
        assert "other" not in screen


def test_a_pause_holds_the_table_still(daemon: Served) -> None:
    """What comes meanwhile shows after it."""
    with top(daemon) as terminal:
        terminal.press("p")
        terminal.wait_for("PAUSED")
        later = replace(daemon.snapshot, processes=(process(31337, State.STALE, "late"),))
        daemon.snapshot = replace(later, time=later.time + SECOND)
        asked = daemon.asked
        wait_until(lambda: daemon.asked > asked + 1, 5, "the sample to be fetched")
        assert "late" not in terminal.screen()
        terminal.press("p")
        terminal.wait_for("late")


def test_queries_per_second_are_shown_from_the_second_sample_on(daemon: Served) -> None:
    """Of the time between the samples, by the daemon's clock."""
    daemon.snapshot = snapshot(process(42, nameservers=(use(State.CURRENT, OLD, queries=100),)))
    with top(daemon) as terminal:
        assert re.search(r"192\.168\.122\.65 +- ", terminal.wait_for("42"))
        asked = process(42, nameservers=(use(State.CURRENT, OLD, queries=130),))
        daemon.snapshot = replace(snapshot(asked), time=CHANGE + 250 * SECOND)
        terminal.wait_until(lambda screen: bool(re.search(r"192\.168\.122\.65 +3\.0 ", screen)), "30 in 10 s")


def test_enter_shows_the_evidence_and_the_advice(daemon: Served) -> None:
    """The text of `explain`, scrolled if it is long."""
    with top(daemon, size=(100, 40)) as terminal:
        terminal.press("Enter")
        screen = terminal.wait_for("systemctl restart sendmail.service")
        assert "process 812" in screen
        assert "flagged: stale on 192.168.122.65" in screen
        terminal.press("Escape")
        terminal.wait_until(lambda screen: "flagged:" not in screen and "node" in screen, "the table")


def test_help_names_every_key(daemon: Served) -> None:
    """It is made from the keys."""
    with top(daemon, size=(100, 50)) as terminal:
        terminal.press("?")
        screen = terminal.wait_for("Columns")
    for key in ("Enter", "q", "?", "/", "s", "g", "<", ">", "r", "p", "Esc", "Ctrl-z", "PgDn"):
        assert re.search(rf"^│ +{re.escape(key)}\b|^│ +{re.escape(key)} ", screen, re.MULTILINE), key


def test_it_takes_another_size(daemon: Served) -> None:
    """Columns give way, and come again."""
    with top(daemon) as terminal:
        terminal.resize(40, 12)
        terminal.wait_until(lambda screen: "UNIT" not in screen and "PID" in screen, "fewer columns")
        terminal.resize(140, 30)
        terminal.wait_until(lambda screen: "LAST" in screen and "PATH" in screen, "all columns")


def test_it_goes_to_the_background_and_comes_back(daemon: Served) -> None:
    """Ctrl-Z and fg."""
    with top(daemon) as terminal:
        terminal.press("C-z")
        terminal.wait_for("Stopped")
        terminal.run(["fg"])
        terminal.wait_until(lambda screen: "sendmail-mta" in screen and "quit" in screen, "the table again")
        terminal.press("q")
        terminal.wait_for("prompt>")


def test_a_daemon_that_is_restarted_is_found_again(daemon: Served) -> None:
    """Meanwhile what was known stays on the screen, and it says that no daemon answers."""
    with Terminal(100, 24) as terminal:
        other = Served(f"{daemon.path}2")
        with serving(other):
            terminal.run([TOP, "top", "--socket", other.path])
            terminal.wait_for("quit")
        screen = terminal.wait_for("retrying")
        assert "sendmail-mta" in screen
        other.snapshot = snapshot(process(31337, State.STALE, "newcomer"))
        with serving(other):
            screen = terminal.wait_for("newcomer")
            assert "retrying" not in screen
            assert "Reconnected to the daemon" in screen


def test_no_color_and_ascii_are_honoured(daemon: Served) -> None:
    """A state is a word, so nothing is lost."""
    with top(daemon, "--ascii", env={"NO_COLOR": "1"}) as terminal:
        terminal.press("Enter")
        terminal.wait_for("State:")
        evidence = terminal.painted()
        terminal.press("Escape")
        terminal.wait_until(lambda screen: "State:" not in screen, "the table")
        painted = terminal.painted()
    for screen in (evidence, painted):
        assert screen.isascii()
        codes = {int(code) for run in re.findall(r"\x1b\[([0-9;]*)m", screen) for code in run.split(";") if code}
        assert not codes & {*range(30, 39), *range(40, 49), *range(90, 108)}
    assert "stale" in painted


def test_colours_go_with_the_words(daemon: Served) -> None:
    """Red for what is stale: the terminal's own red, whatever that is."""
    with top(daemon) as terminal:
        assert re.search(r"\x1b\[(?:1;)?31mstale", terminal.painted())


def test_ten_thousand_rows(daemon: Served) -> None:
    """To the last of them with one key."""
    daemon.snapshot = snapshot(*(process(pid, unit=f"unit{pid % 300}.service") for pid in range(2, 10002)))
    with top(daemon) as terminal:
        terminal.press("End")
        terminal.wait_for("10001")
        terminal.press("Home")
        terminal.wait_until(lambda screen: pids(screen)[0] == 2, "the first row")


def test_without_a_daemon_it_says_what_to_do() -> None:
    """Before it takes the screen."""
    with Terminal(80, 24) as terminal:
        terminal.run([TOP, "top", "--socket", "/nonexistent"])
        terminal.wait_for("no daemon is running: /nonexistent does not exist: start it")
        terminal.run(["sh", "-c", f"{TOP} top --socket /nonexistent; echo status $?"])
        terminal.wait_for("status 3")


def test_without_a_terminal_it_prints_plain_samples(daemon: Served) -> None:
    """So many of them, so far apart; nothing is cut."""
    command = [TOP, "top", "-b", "-n", "2", "-d", "0.1", "--stale", "--socket", daemon.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    assert done.stderr == ""
    samples = done.stdout.split("\n\nresolvtrace top")
    assert len(samples) == 2
    assert all(pids(f"{sample}\n\n") == [812, 5000, 4712, 4711] for sample in samples)
    assert "\x1b" not in done.stdout
