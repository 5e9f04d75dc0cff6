"""The stale-resolver experiment as an administrator can watch it: `resolvtrace demo`."""

from exporter.demonstration.narrator import Narrator
from exporter.demonstration.requirements import require
from exporter.demonstration.story import perform
from exporter.demonstration.trouble import Stopped, Trouble

__all__ = ["Narrator", "Stopped", "Trouble", "perform", "require"]
