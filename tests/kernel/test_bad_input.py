"""What is wrong with files, rights and the machine: understood as glibc would, or refused in one clear line."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, OLD, Program, World, wait_until
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon
from tracer.kernel.filesystems import find_cgroup2

IMPLICIT = "127.0.0.1"
"""What glibc queries if a file names no server."""
GOOD = f"nameserver {OLD}\n{SHORT}"
ANSWER_SECONDS = 10.0
"""A daemon that answers later hangs. On an idle machine it takes 0.3 s at the most: reading the 100 MB."""
WAIT_SECONDS = 60
MEGABYTE = 1 << 20


def make_fifo(path: Path) -> None:
    """Nobody writes to it: whoever opens it to read waits for ever."""
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    """Two links that lead to each other."""
    path.symlink_to("resolv.conf.other")
    path.with_name("resolv.conf.other").symlink_to("resolv.conf")


def make_socket(path: Path) -> None:
    """Bind a name that cannot be opened at all, through a short path: a socket's has 108 bytes at most."""
    with socket.socket(socket.AF_UNIX) as bound:
        directory = os.open(path.parent, os.O_PATH)
        bound.bind(f"/proc/self/fd/{directory}/{path.name}")
        os.close(directory)


def make_noise(path: Path) -> None:
    """Bytes of every kind, with lines and NULs between; the same each time, and no nameserver among them."""
    path.write_bytes(random.Random(53).randbytes(MEGABYTE))  # noqa: S311 -- noise, not a secret


def make_huge(path: Path) -> None:
    """100 MB of comments, and a nameserver behind them."""
    line = b"# nobody reads this far, and yet\n"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(line * (MEGABYTE // len(line)))
        file.write(f"nameserver {NEW}\n{SHORT}".encode())


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "empty": Path.touch,
    "directory": Path.mkdir,
    "fifo": make_fifo,
    "loop": make_loop,
    "nowhere": lambda path: path.symlink_to("/nowhere/resolv.conf"),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": make_socket,
    "noise": make_noise,
    "huge": make_huge,
}
ENDLESS = {"fifo", "device"}
"""There glibc itself waits, or reads, for ever."""
REFUSED = {"directory", "socket"}
"""There glibc refuses each lookup, and sends no query."""


@dataclass
class Seen:
    """What two daemons saw of each bad file: the one that ran before it was there, and the one that came after."""

    running: dict[str, Any] = field(default_factory=dict)
    started_later: dict[str, Any] = field(default_factory=dict)
    glibc: dict[str, set[str]] = field(default_factory=dict)
    recovered: dict[str, Any] = field(default_factory=dict)
    slowest: float = 0.0


@dataclass
class Scene:
    """A world for each kind of bad file, each with a process that keeps its view in sight."""

    worlds: dict[str, World]
    witnesses: dict[str, Program]
    slowest: float = 0.0

    def views(self, running: Daemon) -> dict[str, Any]:
        """Ask a daemon for the view of each world, and note how long it took."""
        begun = monotonic()
        check = running.check()
        self.slowest = max(self.slowest, monotonic() - begun)
        views = {view["id"]: view for view in check["views"]}
        names = {row["pid"]: row["view"] for row in check["processes"]}
        return {name: views.get(names.get(witness.pid)) for name, witness in self.witnesses.items()}

    def wait_for(self, running: Daemon, expected: Callable[[str], list[str]]) -> dict[str, Any]:
        """Wait until each view is as expected, or for a time; give them as they then are."""
        deadline = monotonic() + WAIT_SECONDS
        while True:
            views = self.views(running)
            right = all(view and view["nameservers"] == expected(name) for name, view in views.items())
            if right or monotonic() > deadline:
                return views


def expected(name: str) -> list[str]:
    """Give what glibc makes of a bad file."""
    return [NEW if name == "huge" else IMPLICIT]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Let each world's good file become a bad one, and a good one again, below a daemon; a second one comes between."""
    directory = tmp_path_factory.mktemp("bad")
    with ExitStack() as stack:
        worlds = {name: stack.enter_context(World([OLD, NEW], GOOD)) for name in BAD}
        running = stack.enter_context(daemon(directory / "running"))
        scene = Scene(worlds, {name: start(world, "no-reload") for name, world in worlds.items()})
        scene.wait_for(running, lambda _: [OLD])
        for name, world in worlds.items():
            world.delete_resolv_conf()
            BAD[name](world.path("/etc/resolv.conf"))
        seen = Seen(running=scene.wait_for(running, expected))
        fresh = {name: start(world, "") for name, world in worlds.items() if name not in ENDLESS}
        with daemon(directory / "later") as later:
            seen.started_later = scene.wait_for(later, expected)
            for name in REFUSED:
                fresh.pop(name).wait_for_line("error:")
            for name, program in fresh.items():
                row = later.wait_for(
                    program.pid, lambda row: bool(row["nameservers"]), WAIT_SECONDS, f"glibc's queries ({name})"
                )
                seen.glibc[name] = {use["address"] for use in row["nameservers"]}
        for world in worlds.values():
            bad = world.path("/etc/resolv.conf")
            if bad.is_dir():
                bad.rmdir()
            world.write_resolv_conf(GOOD)
        seen.recovered = scene.wait_for(running, lambda _: [OLD])
        seen.slowest = scene.slowest
        assert "Traceback" not in running.log() + later.log()
        yield seen


def start(world: World, options: str) -> Program:
    """Start a glibc that looks up again and again; only glibc decides what it queries."""
    return world.start([build("getaddrinfo_loop"), NAME, "100"], {"RES_OPTIONS": options})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_what_glibc_makes_of_it(seen: Seen, name: str) -> None:
    """It becomes so below a running daemon."""
    view = seen.running[name]
    assert (view["nameservers"], view["implicit"]) == (expected(name), name != "huge")
    assert view["generation"] == 2


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_from_the_beginning(seen: Seen, name: str) -> None:
    """It is there when the daemon first sees it."""
    view = seen.started_later[name]
    assert (view["nameservers"], view["implicit"]) == (expected(name), name != "huge")


@pytest.mark.parametrize("name", sorted(BAD.keys() - ENDLESS - REFUSED))
def test_glibc_queries_what_is_listed(seen: Seen, name: str) -> None:
    """A real glibc, started while the file is bad, queries the nameserver that the view shows."""
    assert seen.glibc[name] == set(expected(name))


@pytest.mark.parametrize("name", BAD)
def test_a_good_file_again_is_seen(seen: Seen, name: str) -> None:
    """Whatever was there before."""
    view = seen.recovered[name]
    assert (view["nameservers"], view["implicit"], view["generation"]) == ([OLD], False, 3)


def test_it_answers_all_the_while(seen: Seen) -> None:
    """No file keeps the daemon from answering."""
    assert seen.slowest < ANSWER_SECONDS


# What the machine lacks: commands that the daemon is started behind.

NOBODY = [
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    # The checkout may lie below a directory that is root's alone.
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
]  # fmt: skip
WITHOUT_MOUNTS = 'for m in $(findmnt -rno TARGET -t cgroup2,tracefs); do umount -l "$m"; done;'
WITHOUT_CGROUP2 = 'for m in $(findmnt -rno TARGET -t cgroup2); do umount -l "$m"; done;'
WITH_TRACEFS = "test -d /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing;"
NEEDED = "--bounding-set=-all,+bpf,+perfmon,+net_admin,+dac_read_search,+sys_ptrace"
"""What the daemon needs as root: for loading the first three, for /proc the others. Not CAP_SYS_ADMIN."""


def behind(script: str, *argv: str) -> list[str]:
    """Give the command that goes on in a mount namespace of its own, after a shell script."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script} exec "$@"', "sh", *argv]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Give a directory that everybody can write in, and reach."""
    with TemporaryDirectory(prefix="resolvtrace-") as name:
        os.chmod(name, 0o777)  # noqa: S103 -- as it says
        yield Path(name)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon that is there already."""
    with daemon(tmp_path_factory.mktemp("live")) as running:
        yield running


def refusal(directory: Path, *flags: str, before: Sequence[str] = (), usual: Mapping[str, str] | None = None) -> str:
    """Start a daemon that cannot start; give the one line that it says. Flags that are not given are the usual ones."""
    given = {flag.partition("=")[0] for flag in flags}
    others = usual_flags(directory) if usual is None else usual
    done = subprocess.run(
        [
            *before,
            RESOLVTRACE,
            "daemon",
            *flags,
            *(f"{key}={value}" for key, value in others.items() if key not in given),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    (line,) = done.stdout.splitlines()
    assert line.startswith("resolvtrace daemon: ")
    assert "Traceback" not in line
    return line


def usual_flags(directory: Path) -> dict[str, str]:
    """Give the flags that keep a daemon off the machine's own."""
    return {
        "--socket": str(directory / "socket"),
        "--state-dir": str(directory / "state"),
        "--web.listen-address": "127.0.0.1:0",
    }


@pytest.mark.parametrize("script", [WITH_TRACEFS, WITHOUT_MOUNTS], ids=["mounts", "no mounts"])
def test_an_unprivileged_user_is_reported(open_directory: Path, script: str) -> None:
    """Whatever of the rest is there: run as root."""
    assert "root" in refusal(open_directory, before=behind(script, *NOBODY))


def test_an_unprivileged_user_with_the_usual_places_is_reported() -> None:
    """With no flag at all, too."""
    done = subprocess.run([*NOBODY, RESOLVTRACE, "daemon"], check=False, stderr=subprocess.PIPE, timeout=60, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "root" in line


@pytest.mark.parametrize(
    "lacking",
    [
        "bpf",
        "perfmon",
        "net_admin",
    ],
)
def test_bpf_refused_is_reported(tmp_path: Path, lacking: str) -> None:
    """A root that may not load programs, as in many containers: the missing capability is named."""
    without = ["setpriv", NEEDED.replace(f",+{lacking}", "")]
    line = refusal(tmp_path, before=behind(WITH_TRACEFS, *without))
    assert "refuses" in line
    assert f"CAP_{lacking.upper()}" in line


def test_another_pid_namespace_is_reported(tmp_path: Path) -> None:
    """There the kernel's numbers would name other processes, or none."""
    line = refusal(tmp_path, before=["unshare", "--pid", "--fork", "--mount-proc"])
    assert "not the machine's first pid namespace" in line
    assert "--pid=host" in line


def test_a_container_that_sees_its_own_cgroups_alone_is_reported(tmp_path: Path) -> None:
    """It would watch itself, and say that all is well: the root that it has mounted is none."""
    mount = f"mount -t cgroup2 cgroup2 {find_cgroup2()};"
    with Cgroups() as cgroups:
        before = behind(WITH_TRACEFS + WITHOUT_CGROUP2 + mount)
        line = refusal(tmp_path, before=cgroups.within("container", ["unshare", "--cgroup", *before]))
    assert "is a container's part of the cgroup tree" in line
    assert "--cgroupns=host" in line


def test_a_proc_of_another_pid_namespace_is_reported(tmp_path: Path) -> None:
    """It shows other processes, and not this one: to the daemon and to doctor."""
    holder = Program(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "cat"], os.environ)
    try:
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        wait_until(lambda: children.read_text().split(), 10, "the namespace")
        inside = ["nsenter", f"--mount=/proc/{children.read_text().split()[0]}/ns/mnt"]
        wait_until(
            lambda: subprocess.run([*inside, "test", "-e", "/proc/self"], check=False).returncode, 10, "its own /proc"
        )
        line = refusal(tmp_path, before=inside)
        assert "/proc does not show this process" in line
        assert "mount -t proc" in line
        looked = subprocess.run([*inside, RESOLVTRACE, "doctor"], check=False, capture_output=True, text=True)
        assert (looked.returncode, looked.stderr) == (2, "")
        assert "/proc does not" in looked.stdout
    finally:
        holder.stop()


@pytest.mark.parametrize(
    ("kind", "script"),
    [("cgroup2", WITH_TRACEFS + WITHOUT_CGROUP2), ("tracefs", WITHOUT_MOUNTS)],
    ids=["cgroup2", "tracefs"],
)
def test_what_is_not_mounted_and_cannot_be_is_reported(tmp_path: Path, kind: str, script: str) -> None:
    """Without CAP_SYS_ADMIN nothing can be mounted: how to do it beforehand is said."""
    line = refusal(tmp_path, before=behind(script, "setpriv", NEEDED))
    assert f"{kind} is not mounted" in line
    assert f"mount -t {kind}" in line


def start_behind(directory: Path, before: list[str]) -> Daemon:
    """Start a daemon behind a command; it has the pid of that, since each step is an exec."""
    directory.mkdir(exist_ok=True)
    running = Daemon(directory)
    running._command = [*before, *running._command]
    running.start()
    return running


def test_what_is_not_mounted_is_mounted_out_of_sight(tmp_path: Path) -> None:
    """With CAP_SYS_ADMIN neither has to be there; it starts, counts, and the mounts are nobody else's."""
    running = start_behind(tmp_path, behind(WITHOUT_MOUNTS))
    try:
        assert all(running.check()["health"]["probes"].values())
        mounts = Path(f"/proc/{running.process.pid}/mountinfo").read_text()
        assert " - cgroup2 " not in mounts
        assert " - tracefs " not in mounts
        wait_for_a_query(running)
    finally:
        assert running.stop() == 0


def test_sys_admin_is_not_needed(tmp_path: Path) -> None:
    """Where both are mounted, five capabilities are enough."""
    running = start_behind(tmp_path, behind(WITH_TRACEFS, "setpriv", NEEDED))
    try:
        assert all(running.check()["health"]["probes"].values())
        wait_for_a_query(running)
    finally:
        assert running.stop() == 0


def wait_for_a_query(running: Daemon) -> None:
    """Wait until the daemon has counted a query that is sent now, to an address that nobody serves."""
    address = f"127.23.53.{os.getpid() % 250 + 1}"
    program = Program([build("send_queries"), "sendto", "1", address], {"STAY": "1"})
    try:
        row = running.wait_for(program.pid, lambda row: bool(row["nameservers"]), 5, "the query")
        assert [use["address"] for use in row["nameservers"]] == [address]
    finally:
        program.stop()


# What the administrator gets wrong.

CONFIGURATIONS = {
    "a key that does not exist": ("sokcet = '/x'", "sokcet", "socket?"),
    "a table that does not exist": ("[verdikt]\nmin_queries = 2", "verdikt", "verdict.min_queries?"),
    "another type": ("[verdict]\nmin_queries = 'two'", "'two'", "integer"),
    "too small": ("[verdict]\nmin_queries = 0", "min_queries", "at least 1"),
    "negative": ("[verdict]\ngrace_seconds = -1", "grace_seconds", "seconds"),
    "no number": ("[verdict]\ngrace_seconds = nan", "grace_seconds", "seconds"),
    "without end": ("[verdict]\ngrace_seconds = inf", "grace_seconds", "seconds"),
    "no choice": ("[log]\nlevel = 'loud'", "loud", "debug, info, warning, error"),
    "no address": ("[web]\nlisten_address = 'localhost'", "localhost", "HOST:PORT"),
    "no path": ("[web]\ntelemetry_path = 'metrics'", "web.telemetry_path", "begins with /"),
    "no TOML": ("[verdict\nmin_queries = 2", "not valid TOML", "line 1"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_bad_configuration_is_reported(tmp_path: Path, name: str) -> None:
    """Key, value and what it takes, by a check beforehand."""
    text, *words = CONFIGURATIONS[name]
    file = tmp_path / "resolvtrace.toml"
    file.write_text(text)
    line = refusal(tmp_path, f"--config={file}", "--check-config", usual={})
    assert all(word in line for word in words)


def test_a_bad_configuration_is_not_run(tmp_path: Path) -> None:
    """The same without such a check, before anything is made or loaded."""
    file = tmp_path / "resolvtrace.toml"
    file.write_text("sokcet = '/x'")
    line = refusal(tmp_path, f"--config={file}")
    assert str(file) in line
    assert "sokcet" in line
    assert not (tmp_path / "state").exists()


def test_a_configuration_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """One that was asked for by name."""
    assert "does not exist" in refusal(tmp_path, f"--config={tmp_path}/absent.toml")


def test_a_port_in_use_is_reported(tmp_path: Path, live: Daemon) -> None:
    """Which flag, which address."""
    line = refusal(tmp_path, f"--web.listen-address={live.address}")
    assert str(live.address) in line
    assert "--web.listen-address" in line


def test_an_address_that_is_none_is_reported(tmp_path: Path) -> None:
    """How to write one."""
    assert "HOST:PORT" in refusal(tmp_path, "--web.listen-address=localhost")


def test_the_socket_of_a_live_daemon_is_left_alone(tmp_path: Path, live: Daemon) -> None:
    """The second one says so and exits; the first one goes on."""
    line = refusal(tmp_path, f"--socket={live.socket}")
    assert live.socket in line
    assert "--socket" in line
    assert live.check()["schema"] == "resolvtrace/1"


def test_a_socket_without_a_directory(tmp_path: Path) -> None:
    """The directory is made, as the state directory is, or what to do is said: without the unit /run has none yet."""
    running = Daemon(tmp_path, f"--socket={tmp_path}/none/socket")
    running.socket = f"{tmp_path}/none/socket"
    try:
        running.start()
    except AssertionError as error:
        assert "--socket" in str(error)  # noqa: PT017 -- either will do
    else:
        assert running.stop() == 0


def test_a_state_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """Below a file, for one."""
    (tmp_path / "file").touch()
    line = refusal(tmp_path, f"--state-dir={tmp_path}/file/state")
    assert f"{tmp_path}/file/state" in line
    assert "--state-dir" in line


@pytest.mark.parametrize("words", [["daemon", "--frobnicate"], ["daemon", "--log.level=loud"], ["frobnicate"], []])
def test_wrong_usage_has_a_status_of_its_own(words: list[str]) -> None:
    """2, and how it is used."""
    done = subprocess.run([RESOLVTRACE, *words], check=False, stderr=subprocess.PIPE, timeout=60, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: resolvtrace")
    assert "Traceback" not in done.stderr
