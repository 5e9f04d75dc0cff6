"""The dashboard as Grafana would use it: its panels, and the queries that it would send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.deploy.monitoring import DEPLOY

FILE = DEPLOY / "grafana" / "resolvtrace.json"
_LABEL_VALUES = re.compile(r"label_values\((?P<metric>.+), (?P<label>\w+)\)")


class Query(NamedTuple):
    """One query, with the name of the panel that sends it."""

    name: str
    expression: str


def load() -> dict[str, Any]:
    """Read the dashboard."""
    return dict(json.loads(FILE.read_text()))


def panels() -> list[dict[str, Any]]:
    """Give what shows something: rows do not."""
    return [panel for panel in load()["panels"] if panel["type"] != "row"]


def queries(instance: str) -> Iterator[Query]:
    """Give every query: panels', annotations' and variables', for one host and all nameservers."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(f"{panel['title']} {target['refId']}", _filled(target["expr"], instance))
    for annotation in load()["annotations"]["list"]:
        yield Query(annotation["name"], _filled(annotation["expr"], instance))
    for variable in load()["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found, variable["name"]
            yield Query(f"variable {variable['name']}", f"count by ({found['label']}) ({found['metric']})")


def _filled(expression: str, instance: str) -> str:
    values = {"$nameserver": ".+", "$instance": instance, "$__rate_interval": "10s"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression
