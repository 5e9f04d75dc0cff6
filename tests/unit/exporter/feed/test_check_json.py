"""``check --json`` has the form of the contract."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from exporter.feed.check_json import from_json, to_json
from exporter.feed.serialization import rfc3339
from tests.schema import FILE, text
from tests.support.samples import CHANGE, FIXTURES, full, process, snapshot
from tracer.verdict.states import State

SCHEMA = json.loads(FILE.read_text())


def validate(form: object) -> None:
    """Validate a form as a client would have it: from text."""
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(form)))


def test_the_schema_is_one() -> None:
    """The file is valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_file_has_the_schema_of_this_version() -> None:
    """It follows the fields of the snapshot: write it with `make schema`, and look at what the change does to users."""
    assert FILE.read_text() == text()


@pytest.mark.parametrize("value", [full(), snapshot(), snapshot(views=())], ids=["full", "empty", "no view"])
def test_a_snapshot_validates(value: Any) -> None:
    """Whatever is in the snapshot, and if nothing is."""
    validate(to_json(value))


def test_the_form_is_the_recorded_one() -> None:
    """Every value of the full snapshot is where it belongs."""
    assert json.loads(json.dumps(to_json(full()))) == json.loads((FIXTURES / "check.json").read_text())


def test_a_command_reads_what_the_daemon_sent() -> None:
    """All but what only /metrics has, and with times to the microsecond."""
    sent = json.loads(json.dumps(to_json(full())))
    read = from_json(sent)
    assert to_json(read) == sent
    assert (read.bcc, read.health.lost, read.processes[2].state) == ("", full().health.lost, State.STALE)
    assert read.watching_since == full().watching_since // 1000 * 1000


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
    form: Any = to_json(full())
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
    """A later version may say more, and a command of this one reads it."""
    form = to_json(snapshot(process(1)))
    form["processes"][0]["later"] = form["later"] = 1
    validate(form)
    assert from_json(form).processes[0].pid == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("comm", "absent"),
        ("state", "bad"),
        ("started_at", "yesterday"),
        ("nameservers", 5),
        ("last_read", "none"),
        ("pid", None),
    ],
)
def test_another_form_is_an_error_of_the_form(key: str, value: object) -> None:
    """Whatever a daemon of another version sends: a ValueError, and no other."""
    form = to_json(snapshot(process(1)))
    if value == "absent":
        del form["processes"][0][key]
    else:
        form["processes"][0][key] = value
    with pytest.raises(ValueError, match=r"Snapshot: |bad|yesterday"):
        from_json(form)


def test_the_form_can_be_encoded_as_utf_8() -> None:
    """Bytes of a comm that are no UTF-8 have become visible escapes."""
    json.dumps(to_json(full()), ensure_ascii=False).encode()


def test_times_keep_their_microseconds() -> None:
    """Integer arithmetic: a float would have lost them."""
    assert rfc3339(CHANGE) == "2026-07-29T09:00:00.123456Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert to_json(from_json(to_json(snapshot())))["time"] == rfc3339(snapshot().time)
