"""The lab: a world in which real processes ask real nameservers. `resolvtrace demo` and the tests live in it."""

from exporter.lab.experiment import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER, Experiment, experiment
from exporter.lab.nameserver import Nameserver, Query
from exporter.lab.program import LabError, Program
from exporter.lab.resolv_conf import WAYS, Way
from exporter.lab.waiting import wait_until
from exporter.lab.world import World

__all__ = [
    "NAME",
    "NEW",
    "NEW_ANSWER",
    "OLD",
    "OLD_ANSWER",
    "WAYS",
    "Experiment",
    "LabError",
    "Nameserver",
    "Program",
    "Query",
    "Way",
    "World",
    "experiment",
    "wait_until",
]
