"""The configuration: rules and thresholds by unit, several files, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config.configuration import load
from exporter.config.rules import read_users
from tracer.errors import ResolvtraceError
from tracer.verdict.rules import Action, Rule, UnitThresholds


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a file."""
    return tmp_path / "resolvtrace.toml"


def beside(file: Path, name: str, text: str) -> None:
    """Write a file of the directory beside it."""
    directory = file.with_suffix(".d")
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)


def test_rules_and_units_are_read(file: Path) -> None:
    """With a name of their own, or that of their place."""
    file.write_text(
        '[verdict]\nmin_queries = 3\n\n[[rule]]\naction = "ignore"\ncomm = "dig"\n\n'
        '[[rule]]\nname = "probes"\naction = "expect"\nuser = "nagios"\nnameserver = "2001:DB8::0:1"\n\n'
        '[[unit]]\nunit = "batch@*.service"\ngrace_seconds = 60\n'
    )
    configured = load(file, {})
    assert configured["verdict.min_queries"] == 3
    assert configured.rules == (
        Rule(Action.IGNORE, "resolvtrace.toml, line 4", comm="dig"),
        Rule(Action.EXPECT, "probes", user="nagios", nameserver="2001:db8::1"),
    )
    assert configured.unit_thresholds == (UnitThresholds("batch@*.service", grace_seconds=60),)


def test_rules_of_all_files_add_up_in_the_order_of_their_names(file: Path) -> None:
    """The directory beside the file; other files in it are left alone."""
    file.write_text('[[rule]]\naction = "ignore"\ncomm = "a"\n')
    beside(file, "20.toml", '[[rule]]\naction = "ignore"\ncomm = "c"\n')
    beside(file, "10.toml", '[web]\ntelemetry_path = "/m"\n[[rule]]\naction = "ignore"\ncomm = "b"\n')
    beside(file, "30.toml.bak", "rubbish")
    configured = load(file, {})
    assert [rule.comm for rule in configured.rules] == ["a", "b", "c"]
    assert configured["web.telemetry_path"] == "/m"


def test_a_key_in_two_files_is_refused(file: Path) -> None:
    """Neither replaces the other in silence."""
    file.write_text("strict = true\n")
    beside(file, "10.toml", "strict = false\n")
    with pytest.raises(ResolvtraceError, match=r"10\.toml: strict is already set in .*resolvtrace\.toml: remove one"):
        load(file, {})


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('[[rule]]\ncomm = "x"\n', 1, "no action"),
        ('\n[[rule]]\ncomm = "x"\naction = "drop"\n', 4, "'drop': must be one of ignore, expect"),
        ('[[rule]]\naction = "ignore"\n', 1, "would apply to everything"),
        ('[[rule]]\naction = "ignore"\nname = "x"\n', 1, "would apply to everything"),
        ('[[rule]]\naction = "ignore"\ncom = "x"\n', 3, "unknown key com: did you mean comm?"),
        ('[[rule]]\naction = "ignore"\nuser = 33\n', 3, "user is 33: must be a string"),
        ('[[rule]]\naction = "ignore"\ncomm = ""\n', 3, "must be a string that is not empty"),
        (
            '[[rule]]\naction = "ignore"\ncomm = "x"\n# [[rule]]\n[[ rule ]]\naction = "expect"\nunits = "x"\n',
            7,
            "did you mean unit?",
        ),
        ('rule = "x"\n', 1, "not an array of tables"),
        ('rule = [{action = "ignore"}]\n', 1, "would apply to everything"),
        ("[[unit]]\nmin_queries = 3\n", 1, "unit is required"),
        ('[[unit]]\nunit = "x"\nmin_queries = 0\n', 3, "an integer of at least 1"),
        ('[[unit]]\nunit = "x"\ngrace_seconds = -1\n', 3, "a number of seconds from 0"),
        ('[[unit]]\nunit = "x"\ngrace_seconds = true\n', 3, "a number of seconds from 0"),
        ('[[unit]]\nunit = "x"\ngrace_seconds = nan\n', 3, "a number of seconds from 0"),
        ('[[unit]]\nunit = "x"\ngrace_seconds = 1e300\n', 3, "from 0 to 31536000"),
        ('[[unit]]\nunit = "x"\ngrace = 1\n', 3, "did you mean grace_seconds?"),
    ],
)
def test_a_bad_rule_is_refused_with_its_line(file: Path, text: str, line: int, problem: str) -> None:
    """And with what to do."""
    file.write_text(text)
    with pytest.raises(ResolvtraceError) as refused:
        load(file, {})
    assert f"{file}, line {line}: " in str(refused.value)
    assert problem in str(refused.value)


def test_a_bad_rule_in_a_file_beside_names_that_file(file: Path) -> None:
    """Whichever it is."""
    file.touch()
    beside(file, "site.toml", '[[rule]]\naction = "x"\n')
    with pytest.raises(ResolvtraceError, match=r"resolvtrace\.d/site\.toml, line 2: "):
        load(file, {})


def test_a_file_that_was_asked_for_must_be_there(file: Path) -> None:
    """The default one need not."""
    with pytest.raises(ResolvtraceError, match="does not exist: create it"):
        load(file, {})


def test_a_directory_in_place_of_a_file_is_reported(file: Path) -> None:
    """No traceback."""
    file.touch()
    (file.with_suffix(".d") / "x.toml").mkdir(parents=True)
    with pytest.raises(ResolvtraceError, match="cannot read"):
        load(file, {})


def test_users_are_those_of_passwd(tmp_path: Path) -> None:
    """The first name of a number; what is no line of passwd(5) is left out."""
    passwd = tmp_path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n+::::::\nrubbish\nwww:x:33:33:::\n")
    assert read_users(passwd) == {0: "root", 33: "www"}
    assert read_users(tmp_path / "none") == {}


def test_capacities_are_the_tracers(file: Path) -> None:
    """What is not said keeps its default; a ring has a power of two of pages."""
    file.write_text("[capacity]\nprocesses = 70000\nring_pages = 256\n")
    capacities = load(file, {}).settings.capacities
    assert (capacities.processes, capacities.ring_pages) == (70000, 256)
    assert capacities.queries == load(None, {}).settings.capacities.queries
    file.write_text("[capacity]\nring_pages = 100\n")
    with pytest.raises(ResolvtraceError, match="ring_pages is 100: must be a power of two"):
        load(file, {})
    file.write_text("[capacity]\nimages = 4194305\n")
    with pytest.raises(ResolvtraceError, match="images is 4194305: must be an integer from 1 to 4194304"):
        load(file, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[web]\ntelemetry_path = "metrics"', "web.telemetry_path is 'metrics': must be a path that begins with /"),
        ('[web]\ntelemetry_path = "/m?x"', "web.telemetry_path is '/m?x': must be a path"),
        ('[web]\nlisten_address = "10953"', "web.listen_address: '10953' is not an address to listen on: write HOST"),
        ("[verdict]\ngrace_seconds = 1e300", "verdict.grace_seconds is 1e+300: must be a number of seconds from 0 to"),
        (f'socket = "/{"x" * 107}"', ": must be a path of at most 107 bytes"),
        ('state_dir = "/x\\u0000"', "state_dir is '/x\\x00': must be a string without NUL"),
    ],
)
def test_a_value_that_does_not_start_is_refused_with_file_and_key(file: Path, text: str, message: str) -> None:
    """What passes here starts."""
    file.write_text(text)
    with pytest.raises(ResolvtraceError) as refused:
        load(file, {})
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)


def test_a_flag_is_held_to_the_same_and_named(file: Path) -> None:
    """There is no file to correct."""
    file.touch()
    with pytest.raises(ResolvtraceError, match=r"^--web\.telemetry-path is 'metrics': must be a path"):
        load(file, {"web.telemetry_path": "metrics"})
    with pytest.raises(ResolvtraceError, match=r"^--web\.listen-address: 'x' is not an address"):
        load(file, {"web.listen_address": "x"})


def test_an_error_in_the_web_configuration_names_the_key_that_led_there(file: Path) -> None:
    """And the file that it is in."""
    web = file.with_name("web.yml")
    file.write_text(f'[web]\nconfig_file = "{web}"\n')
    with pytest.raises(ResolvtraceError) as refused:
        _ = load(file, {}).web
    assert str(refused.value).startswith(f"{file}: web.config_file: cannot read {web} (No such file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[web]\nlisten_address = "203.0.113.1:0"', "web.listen_address: cannot listen on 203.0.113.1:0: no interface"),
        ('state_dir = "/dev/null/state"', "state_dir: /dev/null is not a directory"),
        ('socket = "/dev/null"', "socket: /dev/null exists and is not a socket"),
        ('socket = "/nowhere/at/all"', "socket: /nowhere does not exist: create it"),
    ],
)
def test_what_this_machine_does_not_have_is_refused(file: Path, text: str, message: str) -> None:
    """By --check-config, before a restart would find out."""
    file.write_text(text)
    with pytest.raises(ResolvtraceError) as refused:
        load(file, {}).check_here()
    assert str(refused.value).startswith(f"{file}: {message}")
