"""Reading a file below a root that nobody vouches for: never a hang, never a way out, and glibc's reading of it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo.lab import wait_until
from tracer.observe.procfs import Procfs
from tracer.observe.rootfs import MOST_BYTES, Place, is_same_file, place, read_lines_that_matter, root_of, signature
from tracer.resolvconf import parser
from tracer.resolvconf.parser import EMPTY, parse

PATH = "/etc/resolv.conf"
_RENAME = """
import os, sys
os.chdir(sys.argv[1])
open("one", "w").close()
print("begun", flush=True)
while True:
    os.rename("one", "other")
    os.rename("other", "one")
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a root directory with an etc."""
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def root(top: Path) -> Iterator[int]:
    """Return the same, opened as /proc/PID/root is."""
    descriptor = os.open(top, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def file(top: Path) -> Path:
    """Return the place of resolv.conf."""
    return top / "etc" / "resolv.conf"


def test_the_lines_that_matter_and_no_others(root: int, file: Path) -> None:
    """Comments and foreign keywords are not kept."""
    file.write_text("# made by x\nnameserver 192.0.2.1\nsortlist 1.2.3.4\n\nsearch a b\noptions timeout:1\ndomain c\n")
    kept = read_lines_that_matter(root, PATH)
    assert kept.splitlines() == [b"nameserver 192.0.2.1", b"search a b", b"options timeout:1", b"domain c"]


_KEYWORDS = (b"nameserver 192.0.2.", b"nameserver", b" nameserver ", b"options ", b"timeout:", b"search ", b"domain x")
_PIECES = (b"1", b"2", b"3 ", b"4,", b"::1", b"#", b";", b"\n", b"\r", b"\r\n", b"\t", b"\0", b"\xff", b"x")


@given(st.lists(st.sampled_from(_KEYWORDS + _PIECES), max_size=40).map(b"".join))
@settings(deadline=None, max_examples=200)
def test_reading_keeps_whatever_any_resolver_takes_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    """What is left out changes nothing: the kept lines parse as the whole file does."""
    top = tmp_path_factory.mktemp("root")
    (top / "resolv.conf").write_bytes(text)
    descriptor = os.open(top, os.O_PATH | os.O_DIRECTORY)
    try:
        assert parse(read_lines_that_matter(descriptor, "/resolv.conf")) == parse(text)
    finally:
        os.close(descriptor)


def test_a_line_across_a_chunks_end_is_one_line(root: int, file: Path) -> None:
    """Chunks of a megabyte end anywhere."""
    line = b"nameserver 192.0.2.1\n"
    for gap in range(1, len(line) + 1):
        file.write_bytes(b"#" * ((1 << 20) - gap - 1) + b"\n" + line + b"nameserver 192.0.2.2\n")
        assert parse(read_lines_that_matter(root, PATH)).nameservers == ("192.0.2.1", "192.0.2.2")


def test_a_hundred_megabytes_of_nothing_are_read_to_the_end(root: int, file: Path) -> None:
    """A sparse file: glibc reads on, and so does this, without keeping it."""
    with file.open("wb") as sparse:
        sparse.seek(100 << 20)
        sparse.write(b"\nnameserver 192.0.2.1\n")
    kept = read_lines_that_matter(root, PATH)
    assert kept == b"nameserver 192.0.2.1"


def test_a_file_that_grows_while_it_is_read_comes_to_an_end(root: int, file: Path) -> None:
    """Faster than it can be read, for as long as it is: what lies behind 128 MiB is not looked at."""
    line = b"nameserver 192.0.2.1\n"
    reading = threading.Event()
    reading.set()

    def grow() -> None:
        with file.open("ab", buffering=0) as growing:
            while reading.is_set() and growing.tell() < 3 * MOST_BYTES:
                growing.write(line * 50_000)

    file.write_bytes(line)
    writer = threading.Thread(target=grow)
    writer.start()
    wait_until(lambda: file.stat().st_size > len(line), 10, "it to grow")
    try:
        kept = read_lines_that_matter(root, PATH)
    finally:
        reading.clear()
        writer.join()
    assert set(kept.splitlines()) == {line.rstrip()}
    assert len(kept.splitlines()) <= 1024


def test_a_line_without_end_is_cut(root: int, file: Path) -> None:
    """What is kept of a file has bounds."""
    file.write_bytes(b"nameserver 192.0.2.1 " + b"x" * (8 << 20))
    kept = read_lines_that_matter(root, PATH)
    assert parse(kept).nameservers == ("192.0.2.1",)
    assert len(kept) <= 4096


def test_lines_without_number_are_bounded(root: int, file: Path) -> None:
    """A megabyte of nameservers leaves a thousand."""
    file.write_bytes(b"".join(b"nameserver 10.%d.%d.1\n" % (n // 250, n % 250) for n in range(60_000)))
    kept = read_lines_that_matter(root, PATH)
    assert len(kept.splitlines()) <= 1024
    assert parse(kept).nameservers == ("10.0.0.1", "10.0.1.1", "10.0.2.1")


def test_a_thousand_lines_about_something_else_hide_no_nameserver(root: int, file: Path) -> None:
    """The bound is on what is kept, and glibc reads past them."""
    file.write_bytes(b"# old options and search domains\n" * 2000 + b"nameserver 192.0.2.1\n")
    assert parse(read_lines_that_matter(root, PATH)).nameservers == ("192.0.2.1",)


def test_binary_noise_is_an_empty_file(root: int, file: Path) -> None:
    """Nothing in it begins with a keyword."""
    file.write_bytes(bytes(range(256)) * 4096)
    assert parse(read_lines_that_matter(root, PATH)) == EMPTY


def test_a_fifo_is_neither_opened_nor_waited_for(root: int, file: Path) -> None:
    """Opening it for reading would hang until somebody writes."""
    os.mkfifo(file)
    assert read_lines_that_matter(root, PATH) == b""
    seen = signature(root, PATH)
    assert seen is not None
    assert not seen.regular


def test_a_directory_is_an_empty_file(root: int, file: Path) -> None:
    """EISDIR is as good as nothing to glibc."""
    file.mkdir()
    assert read_lines_that_matter(root, PATH) == b""


def test_a_loop_of_links_is_no_file(root: int, file: Path) -> None:
    """ELOOP."""
    file.symlink_to("resolv.conf")
    assert read_lines_that_matter(root, PATH) == b""
    assert signature(root, PATH) is None


def test_a_device_is_not_read(root: int, file: Path) -> None:
    """A container may have made one."""
    try:
        os.mknod(file, 0o020666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no right to make a device")
    assert read_lines_that_matter(root, PATH) == b""


@pytest.mark.parametrize("target", ["../../secret", "/../secret", "/secret", "../../../../../../../secret"])
def test_no_link_leads_out_of_the_root(root: int, top: Path, file: Path, target: str) -> None:
    """For the process the root is the root, whatever lies above it."""
    (top.parent / "secret").write_text("nameserver 203.0.113.66\n")
    file.symlink_to(target)
    assert read_lines_that_matter(root, PATH) == b""
    (top / "secret").write_text("nameserver 192.0.2.1\n")
    assert read_lines_that_matter(root, PATH) == b"nameserver 192.0.2.1"


def test_a_magic_link_is_not_followed() -> None:
    """/proc/self/root would be the daemon's own, and out of any root."""
    descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        assert signature(descriptor, "/proc/self/status") is not None
        assert signature(descriptor, "/proc/self/root/etc") is None
    finally:
        os.close(descriptor)


def test_a_link_inside_the_root_is_followed(root: int, top: Path, file: Path) -> None:
    """As systemd-resolved and resolvconf have it."""
    (top / "run").mkdir()
    (top / "run" / "stub.conf").write_text("nameserver 127.0.0.53\n")
    file.symlink_to("../run/stub.conf")
    assert read_lines_that_matter(root, PATH) == b"nameserver 127.0.0.53"
    assert is_same_file(root, "/run/stub.conf")
    assert not is_same_file(root, "/run/another.conf")


def test_renames_anywhere_on_the_machine_do_not_hide_the_file(root: int, top: Path, file: Path) -> None:
    """openat2(2): EAGAIN if a rename went on while `..` was resolved inside a root; the caller tries again."""
    (top / "run").mkdir()
    (top / "run" / "stub.conf").write_text("nameserver 127.0.0.53\n")
    file.symlink_to("../run/stub.conf")
    busy = subprocess.Popen([sys.executable, "-c", _RENAME, top], stdout=subprocess.PIPE)
    assert busy.stdout
    try:
        assert busy.stdout.readline()
        seen = {(signature(root, PATH), place(root, PATH), read_lines_that_matter(root, PATH)) for _ in range(2500)}
    finally:
        busy.kill()
        busy.communicate()
    ((found, where, lines),) = seen
    assert found is not None
    assert (where.mounted, where.file) == (None, found.identity)
    assert lines == b"nameserver 127.0.0.53"


def test_a_keyword_said_over_and_over_on_one_line_is_read_in_no_time(root: int, file: Path) -> None:
    """The time it takes must not grow with the square of what a container writes."""
    file.write_bytes(b"x nameserver " * 60_000 + b"\nnameserver 192.0.2.1\n")
    before = time.process_time()
    assert parse(read_lines_that_matter(root, PATH)).nameservers == ("192.0.2.1",)
    assert time.process_time() - before < 0.5


def test_a_name_that_is_no_utf8_is_only_a_name(root: int) -> None:
    """Any process may open /<0xff>/resolv.conf, and what it opened is looked up here."""
    name = "/home/\udcff/resolv.conf"
    assert signature(root, name) is None
    assert not is_same_file(root, name)
    assert read_lines_that_matter(root, name) == b""


@pytest.mark.parametrize("name", ["resolv.conf", "", "/", "../resolv.conf", "/" + "x" * 300 + "/resolv.conf"])
def test_odd_names_are_no_files(root: int, name: str) -> None:
    """As a process wrote them."""
    assert not is_same_file(root, name)


def test_a_signature_changes_with_the_file(root: int, file: Path) -> None:
    """In place, by rename and by removal."""
    file.write_text("nameserver 192.0.2.1\n")
    seen = {signature(root, PATH)}
    file.write_text("nameserver 192.0.2.10\n")
    seen.add(signature(root, PATH))
    (file.parent / "new").write_text("nameserver 192.0.2.10\n")
    os.replace(file.parent / "new", file)
    seen.add(signature(root, PATH))
    file.unlink()
    seen.add(signature(root, PATH))
    assert len(seen) == 4
    assert None in seen


def test_a_place_is_the_directory_and_the_file(root: int, top: Path, file: Path) -> None:
    """A file replaced in its directory is another file at the same place; no mount covers it."""
    file.write_text("x")
    before = place(root, PATH)
    assert before.mounted is None
    assert before.directory.inode == (top / "etc").stat().st_ino
    assert before.file is not None
    assert before.file.inode == file.stat().st_ino
    file.unlink()
    assert place(root, PATH) == Place(before.directory, None, None)


def test_without_its_directory_there_is_no_place(root: int, top: Path) -> None:
    """Not even an etc."""
    (top / "etc").rmdir()
    with pytest.raises(FileNotFoundError):
        place(root, PATH)


def test_descriptors_are_closed(root: int, file: Path) -> None:
    """Several looks a second for months."""
    file.write_text("nameserver 192.0.2.1\n")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        signature(root, PATH)
        place(root, PATH)
        read_lines_that_matter(root, PATH)
        is_same_file(root, "/nowhere/resolv.conf")
        with pytest.raises(OSError, match="No such"):
            place(root, "/nowhere/resolv.conf")
    assert len(os.listdir("/proc/self/fd")) == before


def test_empty_is_what_glibc_makes_of_nothing() -> None:
    """127.0.0.1, implicitly."""
    assert parser.EMPTY.nameservers == ("127.0.0.1",)
    assert parser.EMPTY.implicit


def test_want_of_descriptors_is_no_missing_file(root: int, file: Path) -> None:
    """Whatever keeps us from looking now says nothing of the file: no look gives an empty one."""
    file.write_text("nameserver 192.0.2.1\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    looks: tuple[Callable[[int, str], object], ...] = (signature, read_lines_that_matter, place)
    with ExitStack() as held:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, hard))
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):
            while True:
                held.callback(os.close, os.dup(root))
        for look in looks:
            with pytest.raises(BlockingIOError):
                look(root, PATH)
        with pytest.raises(BlockingIOError), root_of("/proc", 1):
            pass
        assert Procfs().is_alive(os.getpid())
    assert signature(root, PATH) is not None
    assert read_lines_that_matter(root, PATH) == b"nameserver 192.0.2.1"
