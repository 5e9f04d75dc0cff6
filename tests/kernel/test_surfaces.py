"""What people, scripts and Prometheus get from a real run: it keeps to the schema, the formats and the contract."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from prometheus_client import Metric
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from exporter.demo.lab import NAME, NEW, OLD, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon
from tracer.kernel.programs import NAMES

SCHEMA = Path(__file__).parents[1] / "schema" / "check.schema.json"
PROBES = set(NAMES)
STATES = {"stale", "outdated", "grace", "suspect", "quiet", "unlisted", "current", "retired"}
PATHS = {"nscd", "nss", "resolved", "sssd", "mixed", "direct", "unknown"}
NEVER = 10**9
"""More queries than anybody sends here: as `min_queries` it keeps the flag down."""
GRACE_SECONDS = 6
"""Longer than the grace below SHORT, 4 s."""
BROKEN = (
    "test -d /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing;"
    "mount --bind /dev/null /sys/kernel/tracing/events/syscalls/{}/id;"
)


@dataclass(frozen=True)
class Scene:
    """A daemon, and a process that it has just flagged: when its configuration was read again, and not before."""

    running: Daemon
    frozen: Program

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        """Ask the web server; give status, content type and body."""
        request = urllib.request.Request(f"http://{self.running.address}{path}", headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- http, as above
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


def reload(running: Daemon, text: str, message: str) -> None:
    """Give a daemon another configuration and wait until it says what it made of it."""
    (running.directory / "resolvtrace.toml").write_text(text)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: message in running.log(), 5, message)


def let_pass(running: Daemon, since: str, seconds: float) -> None:
    """Wait until a daemon's own clock is that much later than a time that it showed."""
    until = datetime.fromisoformat(since) + timedelta(seconds=seconds)
    wait_until(lambda: datetime.fromisoformat(running.check()["time"]) > until, seconds + 5, f"{seconds} s to pass")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Let a process go on querying beyond the grace, below a threshold so high that nobody is flagged."""
    with daemon(tmp_path_factory.mktemp("surfaces"), min_queries=NEVER) as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        frozen = lab.world.start([build("getaddrinfo_loop"), NAME, "50"], {"RES_OPTIONS": "no-reload"})
        view = running.wait_for_state(frozen.pid, "current", 10)["view"]
        lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
        changed = running.wait_for_generation(view, 2, 10)["changed_at"]
        let_pass(running, changed, GRACE_SECONDS)
        yield Scene(running, frozen)


def test_a_bad_configuration_is_not_taken_over(scene: Scene) -> None:
    """SIGHUP: what is right in a file that is wrong elsewhere does not hold either; it is reported, and it goes on."""
    reload(scene.running, "[verdict]\nmin_queries = 2\ngrace_secs = 1\n", "configuration not reloaded")
    assert "verdict.grace_seconds?" in scene.running.log()
    let_pass(scene.running, scene.running.check()["time"], 2)
    assert scene.running.wait_for_state(scene.frozen.pid, "grace", 1)["stale_since"] is None


def test_a_good_configuration_is_taken_over(scene: Scene) -> None:
    """SIGHUP: the thresholds hold from now on, for what is known already."""
    let_go_stale(scene)


def let_go_stale(scene: Scene) -> None:
    """Lower the threshold, if that was not done already."""
    reload(scene.running, "[verdict]\nmin_queries = 2\ngrace_seconds = 1\n", "configuration reloaded")
    scene.running.wait_for_state(scene.frozen.pid, "stale", 10)


@pytest.fixture
def stale(scene: Scene) -> Scene:
    """Give the scene once the process is flagged."""
    let_go_stale(scene)
    return scene


def test_a_rule_takes_the_flag_down_and_lets_it_up_again(stale: Scene) -> None:
    """SIGHUP: with the rule it is shown by `check --all` alone; without, what was seen before counts."""
    verdict = "[verdict]\nmin_queries = 2\ngrace_seconds = 1\n"
    rule = '[[rule]]\nname = "the lab"\naction = "ignore"\ncomm = "getaddrinfo_*"\n'
    reload(stale.running, verdict + rule, "configuration reloaded")
    stale.running.wait_for_state(stale.frozen.pid, "current", 10)
    assert not stale_rows(check(stale.running).stdout, stale.frozen.pid)
    assert f"(pid {stale.frozen.pid}) on {OLD}, by rule the lab" in " ".join(
        check(stale.running, "--all").stdout.split()
    )
    assert "is ignored by rule the lab" in command(stale.running, "explain", str(stale.frozen.pid)).stdout
    reload(stale.running, verdict, "configuration reloaded")
    stale.running.wait_for_state(stale.frozen.pid, "stale", 10)
    assert len(stale_rows(check(stale.running).stdout, stale.frozen.pid)) == 1


def stale_rows(table: str, pid: int) -> list[str]:
    """Give the rows of a process that say that it is stale."""
    return [line for line in table.splitlines() if line.split()[:2] == ["stale", str(pid)]]


def check(running: Daemon, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `resolvtrace check`."""
    return command(running, "check", *flags)


def command(running: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that queries the daemon over its socket."""
    argv = [str(RESOLVTRACE), *words, "--socket", running.socket]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, env={"COLUMNS": "80"})


def test_check_json_keeps_to_the_schema(stale: Scene) -> None:
    """With a flagged process in it; the exit status says so too."""
    done = check(stale.running, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    data = json.loads(done.stdout)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(data)
    (row,) = (one for one in data["processes"] if one["pid"] == stale.frozen.pid)
    assert (row["state"], row["lookup_path"], row["last_read"]["generation"]) == ("stale", "nss", 1)
    assert row["stale_since"] <= data["time"]
    (use,) = row["nameservers"]
    assert (use["address"], use["state"], use["first_query"] < use["last_query"]) == (OLD, "stale", True)
    assert set(data["health"]["probes"]) == PROBES
    assert all(data["health"]["probes"].values())


def test_check_shows_the_row(stale: Scene) -> None:
    """The table, on a terminal of 80 columns."""
    done = check(stale.running)
    assert done.returncode == 1
    (line,) = stale_rows(done.stdout, stale.frozen.pid)
    assert OLD in line
    assert max(map(len, done.stdout.splitlines())) < 80


def test_explain_tells_the_story(stale: Scene) -> None:
    """In order of time: started, read, queried, the change, the flag."""
    done = command(stale.running, "explain", str(stale.frozen.pid))
    assert (done.returncode, done.stderr) == (0, "")
    steps = [
        "started",
        "generation 1, " + OLD,
        "first query to",
        "changed: generation 2, " + NEW,
        "flagged",
    ]
    output = " ".join(done.stdout.split())
    assert re.search(".*".join(steps), output), output
    assert f"restart getaddrinfo_loo (pid {stale.frozen.pid})" in done.stdout


def test_who_says_that_the_old_one_must_stay(stale: Scene) -> None:
    """As long as one process queries it; of one that nobody queries it is too early to say."""
    done = command(stale.running, "who", OLD)
    assert (done.returncode, done.stderr) == (1, "")
    assert str(stale.frozen.pid) in done.stdout
    assert command(stale.running, "who", "192.0.2.1").returncode == 3
    assert command(stale.running, "who", "192.0.2.1", "--since", "1s").returncode == 0


def test_nobody_stale_is_status_0(tmp_path: Path) -> None:
    """On a daemon that has just started; under --strict, if everything attaches, too."""
    with daemon(tmp_path, "--strict", min_queries=NEVER) as running:
        done = check(running)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing is stale." in done.stdout


def test_no_daemon_is_status_3(tmp_path: Path) -> None:
    """One line that says what to do."""
    done = check(Daemon(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "--socket" in done.stderr


def families(scene: Scene, *, strictly: bool) -> dict[str, Metric]:
    """Scrape and parse /metrics, in one of the two formats."""
    if not strictly:
        _, kind, text = scene.get("/metrics")
        assert kind.startswith("text/plain")
        return {family.name: family for family in text_parser.text_string_to_metric_families(text)}
    _, kind, text = scene.get("/metrics", "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    parsed = openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family for family in parsed}


def labels(family: Metric) -> list[dict[str, str]]:
    """Give the label sets of a family's samples."""
    return [sample.labels for sample in family.samples]


@pytest.mark.parametrize("strictly", [False, True], ids=["text", "openmetrics"])
def test_the_metrics_parse_and_tell(stale: Scene, strictly: bool) -> None:
    """Both formats, each through its own parser: what the contract names is there, with the flag among it."""
    found = families(stale, strictly=strictly)
    (flagged,) = (
        one
        for one in found["resolvtrace_stale_resolver"].samples
        if one.labels["nameserver"] == OLD and one.labels["comm"] == "getaddrinfo_loo" and not one.labels["unit"]
    )
    assert set(flagged.labels) == {"unit", "comm", "nameserver"}
    assert flagged.value >= 1
    assert found["resolvtrace_stale_processes"].samples[0].value >= 1
    assert flagged.labels in labels(found["resolvtrace_stale_since_timestamp_seconds"])
    assert {one["state"] for one in labels(found["resolvtrace_processes"])} == STATES
    assert {one["path"] for one in labels(found["resolvtrace_lookup_path_processes"])} == PATHS
    attached = found["resolvtrace_probe_attached"]
    assert {one.labels["probe"]: one.value for one in attached.samples} == dict.fromkeys(PROBES, 1.0)
    (build_info,) = labels(found["resolvtrace_build" if strictly else "resolvtrace_build_info"])
    assert set(build_info) == {"version", "bcc", "kernel"}
    assert "pid" not in {label for family in found.values() for one in labels(family) for label in one}


def test_the_metrics_show_no_path_and_no_name_that_was_looked_up(stale: Scene) -> None:
    """Nor a command line: whoever may scrape learns who is stale on whom."""
    text = stale.running.metrics()
    assert 'comm="getaddrinfo_loo"' in text
    for secret in (NAME, NAME.rstrip("."), "getaddrinfo_loop", "/etc/", "/usr/", str(Path.cwd())):
        assert secret not in text


def test_promtool_finds_nothing(stale: Scene) -> None:
    """`promtool check metrics` reads the text format from its standard input, and prints what it would do better."""
    _, _, text = stale.get("/metrics")
    done = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=text, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/metrics/", 404), ("/etc", 404)]
)
def test_there_are_no_other_pages(scene: Scene, path: str, status: int) -> None:
    """The pages of the contract, and 404 for everything else."""
    assert scene.get(path)[0] == status


def test_a_port_that_the_kernel_picks_is_logged(tmp_path: Path) -> None:
    """`:0`, every interface: the line at the start says where to look, in JSON if that was requested."""
    with started(tmp_path, "--web.listen-address=:0", "--log.format=json") as (process, log):
        ready = json.loads(wait_until(lambda: line_with(log, '"ready"'), 20, "the daemon to be ready"))
        port = int(ready["address"].rpartition(":")[2])
        for host in ("127.0.0.1", "[::1]"):
            with urllib.request.urlopen(f"http://{host}:{port}/-/healthy", timeout=30) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
    assert all(json.loads(line) for line in log.read_text().splitlines())


def line_with(log: Path, text: str) -> str | None:
    """Give the first line that has a text in it."""
    return next((line for line in log.read_text().splitlines() if text in line), None)


@contextmanager
def started(directory: Path, *flags: str, before: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Start a daemon, perhaps behind other commands, and give it with its log; end it after the block."""
    directory.mkdir(exist_ok=True)
    log = directory / "log"
    argv = [*before, str(RESOLVTRACE), "daemon", f"--socket={directory}/socket", f"--state-dir={directory}/state"]
    with log.open("wb") as file:
        process = subprocess.Popen([*argv, *flags], stdin=subprocess.DEVNULL, stderr=file)
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def behind_a_broken(tracepoint: str) -> list[str]:
    """Give a command behind which one tracepoint cannot be attached to: its number cannot be read."""
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        f'{BROKEN.format(tracepoint)} exec "$@"',
        "sh",
    ]


def test_a_probe_that_does_not_attach_is_reported(tmp_path: Path) -> None:
    """One that is not required is a warning and a 0; under --strict it is fatal, in one line that names it."""
    before = behind_a_broken("sys_enter_openat2")
    address = "--web.listen-address=127.0.0.1:0"
    with started(tmp_path / "lenient", address, before=before) as (_, log):
        ready = wait_until(lambda: line_with(log, "event=ready"), 20, "the daemon to be ready")
        assert "sys_enter_openat2" in (line_with(log, "level=warning") or "")
        found = re.search(r"address=(\S+)", ready)
        assert found
        with urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=30) as answer:
            assert 'resolvtrace_probe_attached{probe="sys_enter_openat2"} 0.0' in answer.read().decode()
    with started(tmp_path / "strict", address, "--strict", before=before) as (process, log):
        assert process.wait(60) == 1
        assert "sys_enter_openat2" in log.read_text().splitlines()[-1]
        assert "Traceback" not in log.read_text()


def test_a_required_probe_is_fatal(tmp_path: Path) -> None:
    """Without --strict too."""
    with started(tmp_path, before=behind_a_broken("sys_enter_openat")) as (process, log):
        assert process.wait(60) == 1
        assert "sys_enter_openat" in log.read_text().splitlines()[-1]


def test_a_right_configuration_is_said_to_be(tmp_path: Path) -> None:
    """--check-config loads nothing and makes nothing."""
    file = tmp_path / "resolvtrace.toml"
    file.write_text(f'socket = "{tmp_path}/socket"\nstate_dir = "{tmp_path}/state"\n[verdict]\ngrace_seconds = 15\n')
    argv = [str(RESOLVTRACE), "daemon", f"--config={file}", "--check-config"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["resolvtrace.toml"]
