"""Who may use the feed: decided by the kernel, not by the file's mode, which anybody with rights may have opened."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.feed.server import FeedServer
from tests.support.samples import full, running

NOBODY, GROUP = 65534, 54321
_ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    try:
        client.sendall(b'{"want": "snapshot"}\\n')
    except BrokenPipeError:  # turned away before it could ask
        pass
    print(client.makefile().readline())
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user's process takes root to start")


@pytest.fixture
def path() -> Iterator[Path]:
    """Serve on a socket of a group, which somebody has opened to all."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "s.sock"
        with running(lambda: FeedServer.start(full, str(path), group="no such group")):
            os.chown(path, 0, GROUP)
            path.chmod(0o666)
            yield path


def ask(path: Path, *identity: str) -> dict[str, Any]:
    """Ask as somebody else, and return the answer."""
    command = ["setpriv", *identity, "/usr/bin/python3", "-c", _ASK, str(path)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)
    return answer


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param((f"--reuid={NOBODY}", f"--regid={GROUP}", "--clear-groups"), id="its primary group"),
        pytest.param((f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups=7,{GROUP}"), id="another of its groups"),
        pytest.param(("--no-new-privs",), id="root"),
    ],
)
def test_root_and_the_group_are_let_in(path: Path, identity: tuple[str, ...]) -> None:
    """As the file's mode has it."""
    assert ask(path, *identity)["schema"] == "resolvtrace/1"


def test_anybody_else_is_refused_and_learns_for_whom_it_is(path: Path) -> None:
    """Though the file is open to all; the log says who it was, and not each time."""
    with capture_logs() as logs:
        for _ in range(3):
            answer = ask(path, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--groups=7")
            assert answer == {"error": "only root and the group resolvtrace may use this socket"}
    assert [(line["event"], line["uid"], line["refused"]) for line in logs] == [
        ("client refused", NOBODY, 1),
        ("client refused", NOBODY, 2),
    ]
