"""`make install` and `make uninstall`, into a directory: the tree needs no checkout, and all of it goes again."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from exporter.config import configuration
from exporter.config.options import OPTIONS

EXAMPLE = Path("deploy/resolvtrace.toml")


def make(target: str, root: Path) -> str:
    """Run make for a root directory of the test's own; return what it printed."""
    words = ["make", "--silent", target, f"DESTDIR={root}", "PREFIX=/usr"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def place(root: Path, prefix: str = "/usr") -> None:
    """Put the files there as `make install` does, without fetching libraries."""
    libraries = root.parent / "libraries"
    libraries.mkdir(exist_ok=True)
    environment = os.environ | {"DESTDIR": str(root), "PREFIX": prefix}
    subprocess.run(["deploy/install", "files", libraries], check=True, env=environment)


def files(root: Path) -> set[str]:
    """Return what lies below a directory, its directories left out."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a root directory with resolvtrace in it."""
    root = tmp_path_factory.mktemp("installed") / "root"
    make("install", root)
    return root


def test_the_installed_command_runs_from_anywhere_in_any_environment(installed: Path, tmp_path: Path) -> None:
    """It takes its modules and libraries from its own tree, and none of the caller's."""
    (tmp_path / "exporter.py").write_text("raise SystemExit('not this one')")
    command = [str(installed / "usr/bin/resolvtrace"), "daemon", "--check-config"]
    done = subprocess.run(
        [*command, "--config", str(installed / "etc/resolvtrace/resolvtrace.toml")],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/nowhere", "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (0, "configuration OK\n"), done.stderr


def test_nothing_of_it_refers_to_the_checkout(installed: Path) -> None:
    """Or to the directory that it was put into on its way."""
    for name in files(installed):
        content = (installed / name).read_bytes() if not (installed / name).is_symlink() else b""
        assert os.fsencode(Path.cwd()) not in content, name
        assert os.fsencode(installed) not in content, name


def test_everything_is_where_systemd_man_and_the_shells_look(installed: Path) -> None:
    """The unit, the user, the manual, completion, and an example of the configuration."""
    assert files(installed) >= {
        "etc/resolvtrace/resolvtrace.toml",
        "usr/lib/systemd/system/resolvtrace.service",
        "usr/lib/sysusers.d/resolvtrace.conf",
        "usr/share/bash-completion/completions/resolvtrace",
        "usr/share/fish/vendor_completions.d/resolvtrace.fish",
        "usr/share/man/man1/resolvtrace.1",
        "usr/share/man/man5/resolvtrace.toml.5",
        "usr/share/zsh/vendor-completions/_resolvtrace",
    }


def test_the_unit_names_the_command_where_it_was_put(tmp_path: Path) -> None:
    """Below whichever PREFIX; where systemd does not look there, the unit goes to where it does."""
    root = tmp_path / "root"
    place(root, "/opt/resolvtrace")
    unit = (root / "etc/systemd/system/resolvtrace.service").read_text()
    assert "\nExecStart=/opt/resolvtrace/bin/resolvtrace daemon\n" in unit
    assert (root / "opt/resolvtrace/bin/resolvtrace").exists()


def test_an_upgrade_keeps_the_configuration_and_leaves_no_old_module(installed: Path) -> None:
    """Nor does it touch the state."""
    own = installed / "etc/resolvtrace/resolvtrace.toml"
    old = installed / "usr/lib/resolvtrace/tracer/withdrawn.py"
    state = installed / "var/lib/resolvtrace/state.json"
    state.parent.mkdir(parents=True)
    own.write_text("[verdict]\nmin_queries = 3\n")
    for path in (old, state):
        path.write_text("")
    place(installed)
    assert own.read_text() == "[verdict]\nmin_queries = 3\n"
    assert state.exists()
    assert not old.exists()


def test_uninstall_leaves_the_state_directory_alone(installed: Path) -> None:
    """With what the administrator wrote, which is not ours to destroy; of an example that nobody edited, nothing."""
    assert "var/lib/resolvtrace/configuration" in make("uninstall", installed)
    assert files(installed) == {
        "var/lib/resolvtrace/configuration/resolvtrace.toml",
        "var/lib/resolvtrace/state.json",
    }


def test_uninstall_leaves_nothing_if_nothing_was_edited(tmp_path: Path) -> None:
    """Files and directories of its own alike."""
    root = tmp_path / "root"
    place(root)
    make("uninstall", root)
    assert files(root) == set()
    assert [path for path in root.rglob("*") if "resolvtrace" in path.name] == []


def test_the_example_says_what_holds_anyway(tmp_path: Path) -> None:
    """Every key is in it, with its default; so it does no harm to take the comment signs away."""
    lines = EXAMPLE.read_text().splitlines()
    path = tmp_path / "resolvtrace.toml"
    path.write_text("\n".join(line.removeprefix("# ") if " = " in line else line for line in lines))
    flat = {
        f"{name}.{key}" if isinstance(value, dict) else name
        for name, value in tomllib.loads(path.read_text()).items()
        for key in (value if isinstance(value, dict) else [""])
    }
    assert flat == {key.name for key in OPTIONS}
    assert configuration.load(path, {}).values == configuration.load(EXAMPLE, {}).values
