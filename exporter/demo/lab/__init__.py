"""The lab: namespaces in which real processes query real nameservers, for `resolvtrace demo` and the tests."""

from exporter.demo.lab.experiment import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER, Experiment, experiment
from exporter.demo.lab.nameserver import Nameserver, Query
from exporter.demo.lab.program import LabError, Program
from exporter.demo.lab.resolv_conf import WAYS, Way
from exporter.demo.lab.waiting import wait_until
from exporter.demo.lab.world import World

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
