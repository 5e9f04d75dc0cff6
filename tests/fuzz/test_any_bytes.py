"""Whatever comes from outside: an error that says what is wrong, or an answer, and the daemon never exits."""

from __future__ import annotations

import json
import struct
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.configuration import load
from exporter.web.webconfig import load_web_config
from tests.support.doubles import OLD
from tests.support.world import World
from tracer.errors import ResolvtraceError
from tracer.kernel import records
from tracer.ledger.plain import dump
from tracer.ledger.saved import SCHEMA, Saved
from tracer.ledger.store import Store

BOOT = "4f1c"
EXAMPLES = settings(deadline=None, max_examples=200)


def pieces(text: str) -> tuple[str, ...]:
    """Split a text into words, with a line's end for another."""
    return (*text.split(), "\n", "\n")


numbers = st.integers(0, 2**32 - 1)
large = st.integers(0, 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def saved_text() -> str:
    """Give the text of a state with a stale process in it."""
    world = World(OLD)
    world.start(10)
    world.make_stale(10)
    return dump({"schema": SCHEMA, "boot_id": BOOT, "ended": True, "serial": 1, "saved": world.saved()})


SAVED = saved_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for all examples."""
    return tmp_path_factory.mktemp("any")


@EXAMPLES
@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_state_file(place: Path, data: bytes) -> None:
    """Used, or kept aside and said so."""
    with closing(Store(place / "state")) as store:
        (place / "state" / "state.json").write_bytes(data)
        loaded = store.load(BOOT)
    assert loaded.problem is not None or loaded.saved == Saved()


@EXAMPLES
@given(st.binary() | st.lists(json_values.map(lambda value: json.dumps(value).encode())).map(b"\n".join))
def test_any_journal(place: Path, data: bytes) -> None:
    """Used, or kept aside and said so."""
    with closing(Store(place / "journal")) as store:
        (place / "journal" / "state.json").write_text(SAVED)
        (place / "journal" / "journal.jsonl").write_bytes(b"1\n" + data)
        loaded = store.load(BOOT)
    assert loaded.problem is not None or loaded.saved.processes


def test_a_state_file_cut_at_every_byte(tmp_path: Path) -> None:
    """As a full disk or a lost power leaves it."""
    store = Store(tmp_path / "state")
    file = tmp_path / "state" / "state.json"
    for end in range(len(SAVED)):
        file.write_text(SAVED[:end])
        loaded = store.load(BOOT)
        assert loaded.problem is not None
        assert "kept as" in loaded.problem
        assert (tmp_path / "state" / "state.unusable").read_text() == SAVED[:end]


records_of_any_bytes = st.binary(min_size=records.SIZES["record"], max_size=records.SIZES["record"])


@EXAMPLES
@given(st.lists(records_of_any_bytes, max_size=5), st.data())
def test_any_records_and_counts(several: list[bytes], data: st.DataObject) -> None:
    """The ledger takes whatever fits the structures."""
    world = World(OLD)
    world.start(10)
    for one in several:
        world.observer.record(records.parse_record(one))
    keys = data.draw(st.lists(st.binary(min_size=records.SIZES["query_key"], max_size=records.SIZES["query_key"])))
    values = st.binary(min_size=records.SIZES["queries"], max_size=records.SIZES["queries"])
    counted = [(records.parse_query_key(key), records.parse_queries(data.draw(values))) for key in keys]
    world.counted.update(counted)
    world.tick()
    world.tick()


@EXAMPLES
@given(st.binary())
def test_a_record_of_another_length_is_refused(data: bytes) -> None:
    """As one that is none."""
    for size, parse in (("record", records.parse_record), ("queries", records.parse_queries)):
        if len(data) != records.SIZES[size]:
            with pytest.raises(struct.error):
                parse(data)


TOML_PIECES = pieces(
    """[verdict] [web] [log] [[rule]] [[unit]] [rule] strict rule unit action comm user nameserver min_queries = = .
    true 1 -1 1e400 nan 0x1 "ignore" "expect" "x" [ ] { } , # \x00 \xff 99999999999999999999"""
)
YAML_PIECES = pieces(
    """tls_server_config: basic_auth_users: http_server_config: cert_file: key_file: client_auth_type: headers: - { }
    [ ] ! & *a : ? | > 'x' "y" ~ 1 true !!python/object:os.system \x00 %YAML --- ..."""
)


def mixed(words: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Return any bytes, or pieces of the language in any order."""
    return st.binary() | st.lists(st.sampled_from(words)).map(lambda some: " ".join(some).encode())


@EXAMPLES
@given(
    st.binary()
    | st.lists(st.sampled_from(TOML_PIECES)).map(lambda words: " ".join(words).encode(errors="surrogatepass"))
)
def test_any_configuration(place: Path, data: bytes) -> None:
    """Right, or refused with the file's name and what to do."""
    file = place / "resolvtrace.toml"
    file.write_bytes(data)
    try:
        assert load(file, {}).policy
    except ResolvtraceError as error:
        assert str(file) in str(error)
        assert error.remedy


@EXAMPLES
@given(mixed(YAML_PIECES))
def test_any_web_configuration(place: Path, data: bytes) -> None:
    """The same for the exporters' format."""
    file = place / "web.yml"
    file.write_bytes(data)
    try:
        load_web_config(file)
    except ResolvtraceError as error:
        assert str(file) in str(error)
        assert error.remedy
