"""The JSON schema of ``check --json``, derived from the fields of the snapshot: ``make schema`` writes it.

The file is kept beside it, so that a change of the form is seen in the commit that makes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from exporter.feed.check_json import SCHEMA
from exporter.feed.serialization import keys_of
from tracer.report.snapshot import Meaning, Snapshot

FILE = Path(__file__).parent / "check.schema.json"
NUMBER = {"type": "integer", "minimum": 1}
COUNT = {"type": "integer", "minimum": 0}
MEANINGS: dict[Meaning, dict[str, Any]] = {
    Meaning.TIME: {
        "description": "RFC 3339, UTC, with sub-second digits",
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]+Z$",
    },
    Meaning.COUNT: COUNT,
    Meaning.PID: NUMBER,
    Meaning.UID: COUNT,
    Meaning.NUMBER: NUMBER,
    Meaning.PORT: {"enum": [53, 853]},
    Meaning.ADDRESS: {"type": "string", "pattern": "^[0-9a-f:.]+(%.+)?$"},
    Meaning.VIEW_ID: {"type": "string", "pattern": "^(host|[0-9]+:[0-9]+:[0-9]+(:/.*)?)$"},
    Meaning.POD: {"type": "string", "pattern": "^[-a-z0-9]+/[-.a-z0-9]+$"},
    Meaning.ATTACHED: {"type": "object", "additionalProperties": {"type": "boolean"}},
}
PLAIN = {str: {"type": "string"}, int: {"type": "integer"}, bool: {"type": "boolean"}}


def derived() -> dict[str, Any]:
    """Give the schema."""
    names: dict[str, Any] = {}
    whole = of_dataclass(Snapshot, names)
    whole["properties"] = {"schema": {"const": SCHEMA}, **whole["properties"]}
    whole["required"] = ["schema", *whole["required"]]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://resolvtrace.invalid/check.schema.json",
        "title": f"resolvtrace check --json, schema {SCHEMA}",
    }
    return {**head, **whole, "$defs": dict(sorted(names.items()))}


def text() -> str:
    """Give it as the file has it."""
    return json.dumps(derived(), indent=2) + "\n"


def of_dataclass(kind: type, names: dict[str, Any]) -> dict[str, Any]:
    """Describe an object: every key that we send is required, and later ones may be added."""
    keys = keys_of(kind)
    properties = {key.name: of(key.annotation, names) for key in keys}
    return {"type": "object", "required": [key.name for key in keys], "properties": properties}


def of(annotation: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Describe a value; what has a name of its own is described once, in ``names``."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return named(args[1].value, MEANINGS[args[1]], names)
    if origin in {Union, UnionType}:
        return {"anyOf": [{"type": "null"} if one is NoneType else of(one, names) for one in args]}
    if origin is tuple:
        return {"type": "array", "items": of(args[0], names)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": of(args[1], names)}
    return PLAIN[annotation] if annotation in PLAIN else of_class(annotation, names)


def of_class(kind: type, names: dict[str, Any]) -> dict[str, Any]:
    """Describe a dataclass or an enumeration."""
    form = {"enum": [one.value for one in kind]} if issubclass(kind, Enum) else of_dataclass(kind, names)
    return named(kind.__name__, form, names)


def named(name: str, form: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Enter a description, and refer to it."""
    names[name] = form
    return {"$ref": f"#/$defs/{name}"}
