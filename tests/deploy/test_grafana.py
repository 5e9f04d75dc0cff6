"""The dashboard is one that Grafana reads: by Grafana's own models of it, which keep nothing that they do not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy import dashboard

OF_PROMETHEUS = {"useValueForTime", "titleFormat"}
"""Keys of an annotation that its data source reads, and the dashboard's model does not know."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def lost(given: object, kept: object, path: str = "") -> list[str]:
    """Tell what of one JSON value is not in another."""
    match given, kept:
        case dict(), dict():
            return [
                place
                for key, value in given.items()
                if key not in OF_PROMETHEUS
                for place in (lost(value, kept[key], f"{path}/{key}") if key in kept else [f"{path}/{key}"])
            ]
        case list(), list() if len(given) == len(kept):
            pairs = enumerate(zip(given, kept, strict=True))
            return [place for index, (one, other) in pairs for place in lost(one, other, f"{path}/{index}")]
        case _:
            return [] if given == kept else [path]


def test_grafanas_own_models_know_every_key() -> None:
    """Of the dashboard, of its panels' options, of its queries: a key that is spelt wrong is lost."""
    plugins.register_default_plugins()
    given = dashboard.load()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    assert lost(given, kept) == []


def test_every_file_is_tried() -> None:
    """There is one dashboard."""
    assert list(dashboard.FILE.parent.iterdir()) == [dashboard.FILE]


def test_every_data_source_is_the_one_that_is_chosen() -> None:
    """Nobody else's Prometheus has our name."""

    def found(value: Any) -> list[Any]:
        if isinstance(value, dict):
            own = [value["datasource"]] if "datasource" in value else []
            return own + [one for inner in value.values() for one in found(inner)]
        return [one for inner in value for one in found(inner)] if isinstance(value, list) else []

    data = dashboard.load()
    assert [one for one in found(data) if one != DATASOURCE] == []
    assert "datasource" in {variable["name"] for variable in data["templating"]["list"]}


def test_panels_have_numbers_and_places_of_their_own() -> None:
    """Two with one number, or in one place, and Grafana shows one."""
    every = dashboard.load()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in every)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("panel", dashboard.panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """In words; and its values have a unit, or are plain counts in a table."""
    assert panel["description"].endswith(".")
    assert "unit" in panel["fieldConfig"]["defaults"] or panel["type"] == "table"
