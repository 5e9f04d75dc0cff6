"""Prometheus and Alertmanager, Debian's own, for a test: on the loopback interface, and quicker than they are meant."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from exporter.demo.lab import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "resolvtrace.rules.yml"
SCRAPE = DEPLOY / "prometheus" / "scrape.yml"
_LISTENING = re.compile(r'msg="Listening on".* address=(\S+)')
_START_SECONDS = 60
"""They are large programs, and the machine may be busy."""

Sample = tuple[dict[str, str], float]


class Service:
    """One of them, running. Its log is a file, and its address the one that the kernel chose."""

    def __init__(self, argv: Sequence[str | Path], directory: Path) -> None:
        self._log = directory / f"{Path(argv[0]).name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in argv], stderr=log, stdin=subprocess.DEVNULL, cwd=directory
            )
        try:
            wait_until(self._is_ready, _START_SECONDS, f"{argv[0]} to be ready")
        except BaseException as error:
            error.add_note(self.log())
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError("it ended at once")
        if not _LISTENING.search(self.log()):
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):  # noqa: S310 -- http, as below
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        found = _LISTENING.search(self.log())
        assert found, self.log()
        return f"http://{found[1]}"

    def log(self) -> str:
        """Everything it logged."""
        return self._log.read_text(errors="replace")

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API; gives what the JSON says."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:  # noqa: S310 -- as above
            return json.loads(answer.read())

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()


class Prometheus(Service):
    """A Prometheus that has rules, and may have an Alertmanager to tell."""

    def query(self, expression: str) -> list[Sample]:
        """Evaluate an expression now; raises urllib.error.HTTPError if Prometheus refuses it."""
        data = self.get("/api/v1/query", query=expression)["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def wait_for(self, expression: str, timeout: float) -> list[Sample]:
        """Wait until an expression has an answer."""
        return wait_until(lambda: self.query(expression), timeout, expression)

    def wait_for_none(self, expression: str, timeout: float) -> None:
        """Wait until an expression has no answer any more."""
        wait_until(lambda: not self.query(expression), timeout, f"nothing to be left of {expression}")


@contextmanager
def alertmanager(directory: Path) -> Iterator[Service]:
    """Run an Alertmanager that notifies nobody."""
    directory.mkdir()
    config = directory / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    flags = [f"--config.file={config}", f"--storage.path={directory / 'data'}", "--cluster.listen-address="]
    started = Service(["prometheus-alertmanager", *flags, "--web.listen-address=127.0.0.1:0"], directory)
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def prometheus(
    directory: Path, discovery: dict[str, Any], interval: str = "1s", tell: Service | None = None
) -> Iterator[Prometheus]:
    """Run a Prometheus with what is shipped: the job, for what ``discovery`` says, and the rules; all of it quick."""
    directory.mkdir()
    (job,) = yaml.safe_load(SCRAPE.read_text())["scrape_configs"]
    del job["static_configs"], job["scrape_interval"]
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [job | discovery],
        "rule_files": [str(quick_rules(directory))],
    }
    if tell is not None:
        alertmanager = {"static_configs": [{"targets": [tell.url.removeprefix("http://")]}]}
        config["alerting"] = {"alertmanagers": [alertmanager]}
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    flags = [f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}", "--web.listen-address=127.0.0.1:0"]
    started = Prometheus(["prometheus", *flags], directory)
    try:
        yield started
    finally:
        started.stop()


def quick_rules(directory: Path) -> Path:
    """Copy the shipped rules, with a second in place of what each alert waits for."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
    copy = directory / "rules.yml"
    copy.write_text(yaml.safe_dump(rules))
    return copy
