"""``check --json`` has the form of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from samples import CHANGE, FIXTURES, full, snapshot

from exporter.jsonform import check, rfc3339

SCHEMA = json.loads((Path(__file__).parents[2] / "schema" / "check.schema.json").read_text())


def validate(form: object) -> None:
    """Validate a form as a client would have it: from text."""
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(form)))


def test_the_schema_is_one() -> None:
    """The file is valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("value", [full(), snapshot(), snapshot(views=())], ids=["full", "empty", "no view"])
def test_a_snapshot_validates(value: Any) -> None:
    """Whatever is in the snapshot, and where nothing is."""
    validate(check(value))


def test_the_form_is_the_recorded_one() -> None:
    """Every value of the full snapshot stands where it belongs."""
    assert json.loads(json.dumps(check(full()))) == json.loads((FIXTURES / "check.json").read_text())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("processes", 0, "exe"), "absent"),
        (("processes", 0, "state"), "bad"),
        (("processes", 0, "nameservers", 0, "transport"), "sctp"),
        (("processes", 0, "started_at"), "2026-07-29T09:00:00Z"),
        (("processes", 0, "started_at"), "2026-07-29T09:00:00.1+02:00"),
        (("views", 0, "implicit"), None),
        (("views", 0, "history", 0, "until"), "absent"),
        (("health", "lost"), {"ring": -1}),
        (("schema",), "resolvtrace/2"),
    ],
)
def test_the_schema_is_strict(path: tuple[str | int, ...], value: object) -> None:
    """A key that is missing, a word that is not in the contract, a time of another form: none of them passes."""
    form: Any = check(full())
    inner = form
    for step in path[:-1]:
        inner = inner[step]
    if value == "absent":
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(form)


def test_keys_may_be_added() -> None:
    """A later version may say more."""
    validate({**check(full()), "later": 1})


def test_the_form_can_be_encoded_as_utf_8() -> None:
    """Bytes of a comm that are no UTF-8 have become visible escapes."""
    json.dumps(check(full()), ensure_ascii=False).encode()


def test_times_keep_their_microseconds() -> None:
    """Integer arithmetic: a float would have lost them."""
    assert rfc3339(CHANGE) == "2026-07-29T09:00:00.123456Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
