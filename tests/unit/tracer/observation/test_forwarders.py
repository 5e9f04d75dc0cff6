"""Which processes query on behalf of others, and where upstreams come from; the tables are /proc/net's (proc(5))."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.doubles import NEW, OLD, a_view, conf
from tests.support.proctree import ProcTree
from tracer.identity import Identity
from tracer.observation.forwarders import Asker, Forwarders, Forwarding, Servers, served_addresses
from tracer.resolvconf.history import first_generation
from tracer.resolvconf.view import View

NET = Path(__file__).parents[3] / "fixtures" / "tracer" / "net"
UDP_STUB, UDP_ANY, UDP_CONNECTED, UDP6_ANY, UDP6_LOCAL, TCP_STUB, TCP_OUT, TCP6_ANY = range(30001, 30009)


def _tables(*names: str) -> dict[str, str]:
    return {name: (NET / name).read_text() for name in names}


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return a /proc without processes."""
    return ProcTree(tmp_path)


@pytest.mark.parametrize(
    ("inode", "address"),
    [
        (UDP_STUB, "127.0.0.53"),
        (UDP_ANY, "0.0.0.0"),  # noqa: S104 - what a socket is bound to
        (UDP6_ANY, "::"),
        (UDP6_LOCAL, "fd00::1:53"),
        (TCP_STUB, "127.0.0.53"),
        (TCP6_ANY, "::"),
    ],
)
def test_an_address_is_read_as_the_kernel_writes_it(tree: ProcTree, inode: int, address: str) -> None:
    """Words of 32 bits in the machine's order."""
    tree.add(7)
    tree.serves(7, _tables("udp", "udp6", "tcp", "tcp6"), [inode])
    assert served_addresses(tree.root, 7, Servers()) == {address}


@pytest.mark.parametrize("inode", [UDP_CONNECTED, TCP_OUT, 30100])
def test_a_client_serves_nothing(tree: ProcTree, inode: int) -> None:
    """A connected socket, one from port 53 to elsewhere, and a server of something else."""
    tree.add(7)
    tree.serves(7, _tables("udp", "udp6", "tcp", "tcp6"), [inode])
    assert served_addresses(tree.root, 7, Servers()) == set()


def test_a_socket_of_another_process_in_the_namespace_is_not_its_own(tree: ProcTree) -> None:
    """The tables are the network namespace's, the descriptors the process's."""
    tree.add(7)
    tree.serves(7, _tables("udp"), [])
    (tree.directory / "7" / "fd" / "0").symlink_to("/dev/null")
    assert served_addresses(tree.root, 7, Servers()) == set()


def test_processes_that_are_looked_at_together_share_a_namespaces_tables(tree: ProcTree) -> None:
    """The kernel takes milliseconds for such a table; another namespace has its own."""
    servers = Servers()
    for pid, namespace in ((7, "one"), (8, "one"), (9, "two")):
        tree.add(pid)
        tree.serves(pid, _tables("udp") if pid == 7 else {}, [UDP_STUB], namespace)
    assert served_addresses(tree.root, 7, servers) == {"127.0.0.53"}
    assert served_addresses(tree.root, 8, servers) == {"127.0.0.53"}
    assert served_addresses(tree.root, 9, servers) == set()


def test_a_process_that_is_gone_serves_nothing(tree: ProcTree) -> None:
    """Also if only a part of it is."""
    assert served_addresses(tree.root, 7, Servers()) == set()
    tree.add(7)
    tree.serves(7, _tables("udp"), [UDP_ANY])
    (tree.directory / "7" / "fd").rename(tree.directory / "fd")
    assert served_addresses(tree.root, 7, Servers()) == set()


@dataclass
class Bench:
    """A process that queries, and the views of files that it has."""

    tree: ProcTree
    views: dict[str, View] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    """What it opened besides, named resolv.conf."""

    def find(self, exe: str, *, serves: int | None = None, reads: View | None = None, comm: str = "comm") -> Forwarding:
        """Tell what is made of a process by its program, what it serves and what it read."""
        if not (self.tree.directory / "7").exists():
            self.tree.add(7)
        self.tree.serves(7, _tables("udp", "udp6", "tcp", "tcp6"), [serves] if serves else [])
        asker = Asker(7, Identity(comm, exe or None), reads, self.others)
        return Forwarders(self.tree.root, lambda _, path: self.views.get(path)).find(asker)


@pytest.fixture
def bench(tree: ProcTree) -> Bench:
    """Return an empty one."""
    return Bench(tree)


def _view(*nameservers: str, path: str = "/etc/resolv.conf") -> View:
    return a_view(first_generation(conf(*nameservers), 1, 1), path, path)


def _by(forwarding: Forwarding) -> View | None:
    """Tell by which view a forwarder is judged; None if that is not known."""
    assert forwarding.forwards
    return forwarding.upstreams


def test_a_client_is_no_forwarder(bench: Bench) -> None:
    """It serves nobody."""
    assert bench.find("/usr/bin/getip") == Forwarding()


def test_dnsmasq_is_judged_by_the_resolv_conf_that_it_reads(bench: Bench) -> None:
    """Its default."""
    view = _view(OLD)
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=UDP_STUB, reads=view)) is view


def test_dnsmasq_is_judged_by_its_resolv_file_if_it_has_one(bench: Bench) -> None:
    """`resolv-file=`."""
    own = bench.views["/run/dnsmasq/resolv.conf"] = _view(NEW, path="/run/dnsmasq/resolv.conf")
    bench.others = frozenset({"/run/dnsmasq/resolv.conf"})
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=UDP_STUB, reads=_view(OLD))) is own


def test_dnsmasq_is_judged_by_the_file_that_its_command_line_names(bench: Bench) -> None:
    """Whatever that is called: no probe sees who reads it."""
    own = bench.views["/run/upstreams"] = _view(NEW, path="/run/upstreams")
    bench.tree.add(7)
    (bench.tree.directory / "7" / "cmdline").write_bytes(b"dnsmasq\0-r\0/run/upstreams\0-C\0/dev/null\0")
    (bench.tree.directory / "7" / "root").symlink_to("/")
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=UDP_STUB, reads=_view(OLD))) is own


def test_dnsmasq_whose_file_is_gone_has_unknown_upstreams(bench: Bench) -> None:
    """Nobody is accused on what cannot be read."""
    bench.others = frozenset({"/run/dnsmasq/resolv.conf"})
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=UDP_STUB, reads=_view(OLD))) is None


def test_dnsmasq_that_read_nothing_has_unknown_upstreams(bench: Bench) -> None:
    """`no-resolv` and `server=`."""
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=UDP_STUB)) is None


@pytest.mark.parametrize(
    ("serves", "listed"),
    [(UDP_STUB, "127.0.0.53"), (UDP_ANY, "127.0.0.1"), (UDP6_ANY, "::1"), (UDP6_LOCAL, "fd00::1:53")],
)
def test_dnsmasq_that_resolv_conf_points_to_has_unknown_upstreams(bench: Bench, serves: int, listed: str) -> None:
    """The file names the stub: its upstreams stand elsewhere."""
    assert _by(bench.find("/usr/sbin/dnsmasq", serves=serves, reads=_view(listed))) is None


def test_resolved_is_judged_by_its_own_file(bench: Bench) -> None:
    """systemd-resolved.service(8)."""
    path = "/run/systemd/resolve/resolv.conf"
    own = bench.views[path] = _view(NEW, path=path)
    assert _by(bench.find("/usr/lib/systemd/systemd-resolved", serves=UDP_STUB)) is own


def test_resolved_that_reads_a_foreign_resolv_conf_is_judged_by_that(bench: Bench) -> None:
    """systemd-resolved.service(8), the last of the four ways of /etc/resolv.conf."""
    foreign = bench.views["/etc/resolv.conf"] = _view(OLD)
    bench.views["/run/systemd/resolve/resolv.conf"] = _view(NEW)
    assert _by(bench.find("/usr/lib/systemd/systemd-resolved", reads=foreign)) is foreign


def test_resolved_that_resolv_conf_points_to_is_judged_by_its_own_file(bench: Bench) -> None:
    """Though it has read the other one."""
    stub = bench.views["/etc/resolv.conf"] = _view("127.0.0.53")
    own = bench.views["/run/systemd/resolve/resolv.conf"] = _view(NEW)
    assert _by(bench.find("/usr/lib/systemd/systemd-resolved", reads=stub)) is own


def test_resolved_without_its_file_has_unknown_upstreams(bench: Bench) -> None:
    """And is a forwarder all the same."""
    assert _by(bench.find("/usr/lib/systemd/systemd-resolved")) is None


@pytest.mark.parametrize("exe", ["/usr/sbin/unbound", "/usr/sbin/named", "/usr/local/bin/coredns"])
def test_any_other_server_has_unknown_upstreams(bench: Bench, exe: str) -> None:
    """What unbound or BIND query is in their own configuration."""
    assert _by(bench.find(exe, serves=UDP_ANY, reads=_view(OLD))) is None


def test_dockerd_forwards_though_it_serves_nothing_in_its_own_namespace(bench: Bench) -> None:
    """It answers in its containers' namespaces."""
    assert _by(bench.find("/usr/bin/dockerd")) is None


@pytest.mark.parametrize("exe", ["/usr/bin/dockerd", "/usr/lib/systemd/systemd-resolved"])
def test_a_forwarder_whose_program_was_replaced_is_still_one(bench: Bench, exe: str) -> None:
    """proc(5): after a package upgrade the link says ` (deleted)`."""
    assert _by(bench.find(f"{exe} (deleted)")) is None


def test_a_forwarder_without_an_exe_goes_by_its_name(bench: Bench) -> None:
    """/proc/PID/exe may not be read."""
    assert _by(bench.find("", comm="dockerd")) is None


def test_the_addresses_that_it_serves_are_given(bench: Bench) -> None:
    """A resolv.conf that names one of these is its clients' file."""
    assert bench.find("/usr/sbin/unbound", serves=UDP6_LOCAL).serves == {"fd00::1:53"}
