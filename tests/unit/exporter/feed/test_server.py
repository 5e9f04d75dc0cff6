"""The feed over a real Unix socket, with its real client."""

from __future__ import annotations

import grp
import json
import os
import select
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from exporter.feed.check_json import to_json
from exporter.feed.client import NoDaemon, fetch_change, fetch_json, fetch_snapshot, fetch_table, fetch_textfile
from exporter.feed.server import FeedServer, Limits
from tests.support.samples import full, process, running, snapshot
from tracer.errors import ResolvtraceError
from tracer.report.snapshot import Snapshot

WAIT = 15


def serving(
    path: Path, latest: Callable[[], Snapshot] = full, group: str = "no such group", limits: Limits | None = None
) -> AbstractContextManager[FeedServer]:
    """Run a feed for the block."""
    return running(lambda: FeedServer.start(latest, str(path), group=group, limits=limits))


@pytest.fixture
def path() -> Iterator[Path]:
    """Return a path short enough for a socket, in a directory that everybody may search."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "s.sock"


@pytest.fixture
def feed(path: Path) -> Iterator[Path]:
    """Serve the full snapshot and return the path."""
    with serving(path):
        yield path


def ask(path: Path, sent: bytes) -> dict[str, object]:
    """Send raw bytes, end the sending side, and return the one line that comes."""
    with connect(path, sent) as client:
        client.shutdown(socket.SHUT_WR)
        lines = client.makefile("rb").readlines()
    assert len(lines) == 1
    answer = json.loads(lines[0])
    assert isinstance(answer, dict)
    return answer


def connect(path: Path, sent: bytes = b"") -> socket.socket:
    """Open a raw connection and send something."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(WAIT)
    client.connect(str(path))
    client.sendall(sent)
    return client


def test_the_client_gets_the_check_form(feed: Path) -> None:
    """What went in comes out, however long it is."""
    assert fetch_json(str(feed)) == to_json(full())


def test_a_long_answer_arrives_whole(path: Path) -> None:
    """Thousands of processes are more than any buffer holds."""
    value = snapshot(*(process(pid) for pid in range(1, 5001)))
    with serving(path, lambda: value):
        assert len(fetch_snapshot(str(path), timeout=60).processes) == 5000


def test_command_lines_are_read_for_clients_that_request_them(path: Path) -> None:
    """For a snapshot, and for a table with them; not for a table or metrics."""
    asked = []

    def with_commands() -> Snapshot:
        asked.append(1)
        return snapshot(process(9, command=("getip", "-v")))

    with running(lambda: FeedServer.start(lambda: snapshot(process(9)), str(path), with_commands=with_commands)):
        fetch_table(str(path))
        fetch_textfile(str(path))
        assert not asked
        assert fetch_snapshot(str(path)).processes[0].command == ("getip", "-v")
        assert fetch_table(str(path), commands=True)["rows"][0].command == "getip -v"


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"rubbish\n", "one line of JSON"),
        (b"\xff\xfe\n", "one line of JSON"),
        (b"[" * 4000 + b"\n", "one line of JSON"),
        (b"", "one line of JSON"),
        (b'{"want": "snapshot"' + b" " * 4096 + b"}\n", "at most 4096 bytes"),
        (b"[]\n", "an object"),
        (b"{}\n", "unknown request"),
        (b'{"want": "flags"}\n', "unknown request"),
        (b'{"want": ["snapshot"]}\n', "unknown request"),
    ],
)
def test_a_bad_request_gets_an_error(feed: Path, sent: bytes, error: str) -> None:
    """And the feed goes on."""
    answer = ask(feed, sent)
    assert list(answer) == ["error"]
    assert error in str(answer["error"])
    assert ask(feed, b'{"want": "snapshot", "later": 1}')["schema"] == "resolvtrace/1"


def test_a_silent_client_delays_nobody_and_is_cut_off(path: Path) -> None:
    """Half a request is no request."""
    with serving(path, limits=Limits(seconds=0.3)), connect(path, b'{"want"') as silent:
        fetch_snapshot(str(path))
        assert silent.recv(1) == b""


def test_a_client_that_never_reads_is_cut_off(path: Path) -> None:
    """The deadline holds while the answer is written; others are served meanwhile."""
    value = snapshot(*(process(pid) for pid in range(1, 1001)))
    with serving(path, lambda: value, limits=Limits(seconds=3)), connect(path, b'{"want": "snapshot"}\n') as client:
        fetch_change(str(path))
        received = b""
        with client.makefile("rb") as stream:
            wait_for_hang_up(client)
            received = stream.read()
        assert 0 < len(received) < len(json.dumps(to_json(value)))


def wait_for_hang_up(client: socket.socket) -> None:
    """Wait until the daemon has closed, without reading what is in the buffer."""
    poll = select.poll()
    poll.register(client, 0)
    assert poll.poll(WAIT * 1000), "the daemon kept a client that does not read"


def test_too_many_clients_are_turned_away(path: Path) -> None:
    """With a reason; and when one leaves there is room again."""
    with serving(path, limits=Limits(clients=2, seconds=1)):
        silent = [connect(path), connect(path)]
        with pytest.raises(NoDaemon, match="refused: too many clients"):
            fetch_snapshot(str(path))
        assert silent[0].recv(1) == b""
        assert silent[1].recv(1) == b""
        fetch_snapshot(str(path))
        for client in silent:
            client.close()


def test_the_socket_is_for_its_group_only(path: Path) -> None:
    """Mode 0660, and the group if there is one."""
    group = grp.getgrgid((os.getgroups() or [os.getgid()])[0] if os.getuid() else 1)
    with serving(path, group=group.gr_name):
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == group.gr_gid


def test_a_user_who_may_not_use_the_socket_learns_how_to(path: Path) -> None:
    """As another user, or (not root) with the mode taken away."""
    with serving(path, group="daemon"):
        own = os.geteuid()
        try:
            if own == 0:
                os.seteuid(65534)
            else:
                path.chmod(0)
            with pytest.raises(
                NoDaemon, match=r"not permitted to use the socket .*: run as root, or join its group \("
            ):
                fetch_snapshot(str(path))
        finally:
            if own == 0:
                os.seteuid(0)


def test_a_second_daemon_is_refused(feed: Path) -> None:
    """And the first goes on serving on its socket."""
    with (
        pytest.raises(ResolvtraceError, match=r"another resolvtrace daemon serves on .*s\.sock: stop it"),
        serving(feed),
    ):
        pass
    fetch_snapshot(str(feed))


def test_a_busy_daemon_is_refused_too(path: Path) -> None:
    """One that cannot even accept is alive all the same."""
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        with connect(path), pytest.raises(ResolvtraceError, match="another resolvtrace daemon"), serving(path):
            pass
    assert path.exists()


def test_the_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    """The file outlives its process; the client says so, the next daemon takes its place."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    with pytest.raises(NoDaemon, match=r"is a stale socket: no daemon is running: start it"):
        fetch_snapshot(str(path))
    with serving(path):
        fetch_snapshot(str(path))


def test_the_socket_is_gone_when_the_feed_is_closed(path: Path) -> None:
    """And the client says what to do."""
    with serving(path):
        assert path.exists()
    assert not path.exists()
    with pytest.raises(NoDaemon, match=r"does not exist: start it \(systemctl start resolvtrace\)"):
        fetch_snapshot(str(path))


def test_a_socket_that_took_its_place_is_left_alone(path: Path) -> None:
    """A daemon that exits late does not unlink its successor's socket."""
    with serving(path):
        path.rename(path.with_suffix(".old"))
        path.touch()
    assert path.exists()


def test_closing_ends_open_connections(path: Path) -> None:
    """The daemon's exit does not wait for its clients."""
    with serving(path):
        client = connect(path, b"{")
        fetch_snapshot(str(path))  # the feed takes its clients in order: now it has the first
    with client:
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("notes"), "is not a socket: remove it"),
        (lambda path: path.symlink_to("/dev/null"), "is not a socket: remove it"),
        (lambda path: path.mkdir(), "is not a socket: remove it"),
    ],
)
def test_what_is_in_the_way_is_named_and_left_alone(make: Callable[[Path], object], message: str) -> None:
    """Only a dead socket is removed."""
    path = Path(tempfile.mkdtemp()) / "s"
    make(path)
    with pytest.raises(ResolvtraceError, match=message), serving(path):
        pass
    assert path.is_symlink() or path.exists()


def test_the_directory_is_made_if_its_parent_is_there(path: Path) -> None:
    """/run is empty after a boot; whoever may use the socket has to reach it, whatever the umask."""
    with serving(path.parent / "made" / "s") as _:
        assert stat.S_IMODE((path.parent / "made").stat().st_mode) == 0o755


def test_a_directory_that_cannot_be_made_is_a_clear_error(path: Path) -> None:
    """Only one level is made: a mistyped path is not."""
    with (
        pytest.raises(ResolvtraceError, match=r"does not exist: create it, .* with --socket"),
        serving(path / "no" / "such" / "s"),
    ):
        pass


def test_a_path_too_long_for_a_socket_is_a_clear_error(path: Path) -> None:
    """The kernel's limit is 107 bytes."""
    with (
        pytest.raises(ResolvtraceError, match=r"cannot serve on the socket .*too long"),
        serving(path.with_name("x" * 200)),
    ):
        pass
    with pytest.raises(NoDaemon, match="too long"):
        fetch_snapshot("x" * 200)


@contextmanager
def answering(path: Path, line: bytes) -> Iterator[None]:
    """Answer one client with ``line``, whatever it requests, and close."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(WAIT)

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(line)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


def test_a_daemon_that_does_not_answer_is_a_timeout(path: Path) -> None:
    """It accepts, or its kernel does for it, and says nothing."""
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(NoDaemon, match=r"did not answer within 0\.1 s"):
            fetch_snapshot(str(path), timeout=0.1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "closed the connection before it had answered"),
        (b'{"schema": "resolv', "closed the connection before it had answered"),
        (b"220 mail.example\n", "not a resolvtrace daemon"),
        (b"[]\n", "not a resolvtrace daemon"),
        (b'{"schema": "resolvtrace/2"}\n', r"has schema resolvtrace/2, not resolvtrace/1"),
        (b'{"error": "not today"}\n', "refused: not today"),
    ],
)
def test_an_answer_that_is_none_is_recognized(path: Path, line: bytes, message: str) -> None:
    """Another program's socket, or another version's."""
    with answering(path, line), pytest.raises(NoDaemon, match=message):
        fetch_snapshot(str(path))


def test_a_client_that_is_turned_away_early_still_learns_why(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's line is there although the request can no longer be sent."""
    closed = threading.Event()

    class Late(socket.socket):
        """A client that sends only when the daemon has already closed."""

        def connect(self, address: object) -> None:
            super().connect(address)  # type: ignore[arg-type]
            assert closed.wait(WAIT)

    def turn_away() -> None:
        client, _ = listener.accept()
        client.sendall(b'{"error": "too many clients"}\n')
        client.close()
        closed.set()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=turn_away)
        thread.start()
        monkeypatch.setattr("exporter.feed.client.socket.socket", Late)
        with pytest.raises(NoDaemon, match="refused: too many clients"):
            fetch_snapshot(str(path))
        thread.join()
