"""The experiment of the original report: two nameservers with different answers, one resolv.conf."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from exporter.demo.lab.nameserver import Nameserver
from exporter.demo.lab.resolv_conf import Way
from exporter.demo.lab.world import World

OLD, OLD_ANSWER = "192.168.122.65", "192.168.122.203"
NEW, NEW_ANSWER = "192.168.122.72", "192.168.122.204"
NAME = "hat.com"


@dataclass(frozen=True)
class Experiment:
    """A world whose resolv.conf lists the nameserver `old`; the nameserver `new` is not listed yet."""

    world: World
    old: Nameserver
    new: Nameserver

    def change(self, how: Way = "rename") -> None:
        """List only the new nameserver."""
        self.world.write_resolv_conf(f"nameserver {NEW}\n", how)

    def change_back(self, how: Way = "rename") -> None:
        """List only the old nameserver."""
        self.world.write_resolv_conf(f"nameserver {OLD}\n", how)


@contextmanager
def experiment() -> Iterator[Experiment]:
    """Set up the experiment for a `with` block. Raises what entering a World and starting a nameserver raise."""
    with World([OLD, NEW], f"nameserver {OLD}\n") as world:
        yield Experiment(
            world,
            old=world.nameserver(OLD, {NAME: OLD_ANSWER}),
            new=world.nameserver(NEW, {NAME: NEW_ANSWER}),
        )
