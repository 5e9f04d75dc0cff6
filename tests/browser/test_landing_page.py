"""The page at / in a real browser: headless Chromium, scripts off, with nothing else in reach."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from exporter.web.server import WebServer
from tests.support.samples import HOSTILE, Served, process, running, snapshot
from tracer.verdict.states import State

SECONDS = 30
REFRESHED_SECONDS = 20
FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium's own, which root may not use
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NO_SCRIPTS = '{"profile": {"default_content_setting_values": {"javascript": 2}}}'
"""A profile's preferences: no site may run scripts. (blink-settings would switch the browser's own off too.)"""


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """Serve a snapshot on a port of the loopback; give the page's address."""
    with running(lambda: WebServer.start(served.ask, "127.0.0.1:0")) as server:
        host, port = server.address
        yield f"http://{host}:{port}/"


@pytest.fixture
def served() -> Served:
    """Give the full snapshot to begin with."""
    return Served("")


def forbid_scripts(directory: Path) -> None:
    """Make a profile that runs none, and see that it does not."""
    preferences = directory / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True, exist_ok=True)
    preferences.write_text(NO_SCRIPTS)
    assert "none" in run(
        "data:text/html,<p>none<script>document.body.textContent='ran'</script>", directory, "--dump-dom"
    )


def run(url: str, directory: Path, *flags: str) -> str:
    """Run the browser to its end; give what it printed."""
    argv = ["chromium", *FLAGS, f"--user-data-dir={directory}/profile", *flags, url]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=SECONDS).stdout


def seen(url: str, directory: Path) -> str:
    """Give a page as the browser's own tree has it."""
    return run(url, directory, "--dump-dom")


def text_of(tree: str) -> str:
    """Give the words between the tags."""
    body = re.sub(r"<style>.*?</style>", "", tree, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_it_says_what_the_flag_says(served: Served, tmp_path: Path) -> None:
    """And why stale processes may be missing."""
    with serving(served) as url:
        text = text_of(seen(url, tmp_path))
    for part in (
        "4 processes are stale: they query a nameserver that resolv.conf no longer lists.",
        "sendmail.service sendmail-mta 192.168.122.65 1 3m",
        "4f5e2d8c9b1a node 192.168.122.65 1",
        "2026-07-29 09:00:00 UTC 192.168.122.65 192.168.122.72, fe80::1%eth0",
        "Events lost: ring_full 3.",
        "Probes not attached: openat2.",
        "Metrics · Healthy · Ready",
    ):
        assert part in text


def test_it_looks_the_same_without_scripts(served: Served, tmp_path: Path) -> None:
    """To the pixel."""
    with serving(served) as url:
        for name in ("with", "without"):
            if name == "without":
                forbid_scripts(tmp_path)
            run(url, tmp_path, "--window-size=900,1200", f"--screenshot={tmp_path}/{name}.png")
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in ("with", "without")]
    assert len(pictures[0]) > 20_000  # more than an empty page
    assert pictures[0] == pictures[1]


def test_a_hostile_name_is_text(served: Served, tmp_path: Path) -> None:
    """Markup and marks in it are shown, and do nothing."""
    names = (HOSTILE, "<script>document.title='taken'</script>", '"><img src=x onerror=alert(1)>', "</td></table><h1>x")
    rows = [process(pid, State.STALE, name, unit=name) for pid, name in enumerate(names, 100)]
    served.snapshot = snapshot(*rows)
    with serving(served) as url:
        tree = seen(url, tmp_path)
    assert "taken</title>" not in tree
    assert not re.search(r"<(script|img)\b", tree)
    assert tree.count("<h1") == 1
    assert tree.count("<tr>") == 1 + len(names) + 1 + 1 + 1 + 1  # groups, the change, the states; and their titles
    text = text_of(tree)
    for name in names[1:]:
        assert text.count(name) == 2
    assert r"\x1b[31m\x0a" in text


def test_it_refreshes_itself_and_asks_for_nothing_else(served: Served, tmp_path: Path) -> None:
    """With scripts off: a page that is left open shows what is true."""
    with serving(served) as url:
        forbid_scripts(tmp_path)
        argv = ["chromium", *FLAGS, f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0", url]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                wait_until(lambda: served.asked >= 2, REFRESHED_SECONDS, "the page to be fetched again")
            finally:
                browser.terminate()


def test_nobody_is_stale(served: Served, tmp_path: Path) -> None:
    """It says so in words."""
    served.snapshot = snapshot(process(1))
    with serving(served) as url:
        text = text_of(seen(url, tmp_path))
    assert "Nothing is stale: no process queries a nameserver that resolv.conf no longer lists." in text
