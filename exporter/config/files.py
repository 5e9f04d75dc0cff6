"""The files of the configuration: ``resolvtrace.toml``, and those in the directory beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tracer.errors import ResolvtraceError

__all__ = ["ConfigFile", "read_files"]


class ConfigFile:
    """One file: its path, and the lines of its tables and keys, for messages."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def tables(self, name: str, data: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the tables of an array, each with its line. Raises ResolvtraceError if it is not an array of tables."""
        found = data.get(name, [])
        begin = re.compile(rf"\s*\[\[\s*{name}\s*\]\]|\s*{name}\s*=")
        lines = [number for number, line in enumerate(self._lines, 1) if begin.match(line)] or [1]
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.error(lines[0], f"{name} is not an array of tables", f"begin each table with [[{name}]]")
        for index, table in enumerate(found):
            yield lines[min(index, len(lines) - 1)], table

    def line_of(self, key: str, begin: int) -> int:
        """Return the line of a key in the table that begins at line ``begin``; that line if the key is not found."""
        for number in range(begin + 1, len(self._lines) + 1):
            line = self._lines[number - 1]
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
            if line.lstrip().startswith("["):
                break
        return begin

    def error(self, line: int, problem: str, remedy: str) -> ResolvtraceError:
        """Return the error that names the line."""
        return ResolvtraceError(f"{self.path}, line {line}: {problem}", remedy)


def read_files(path: Path, *, optional: bool) -> Iterator[tuple[ConfigFile, dict[str, Any]]]:
    """Yield the file and what is in it, then those of its directory (``.d`` for ``.toml``) in the order of their names.

    ``optional``: the first may be missing. Raises ResolvtraceError.
    """
    if (text := _read(path, optional=optional)) is not None:
        yield ConfigFile(path, text), _parse(path, text)
    try:
        more = sorted(path.with_suffix(".d").glob("*.toml")) if path.suffix == ".toml" else []
    except OSError:
        more = []
    for one in more:
        if (text := _read(one, optional=False)) is not None:
            yield ConfigFile(one, text), _parse(one, text)


def _read(path: Path, *, optional: bool) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        if optional:
            return None
        raise ResolvtraceError(f"{path} does not exist", "create it, or leave out --config") from error
    except OSError as error:
        raise ResolvtraceError(f"cannot read {path} ({error.strerror})", "check its permissions") from error
    except UnicodeDecodeError as error:
        raise ResolvtraceError(f"{path} is not valid TOML: {error}", "save it as UTF-8") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ResolvtraceError(f"{path} is not valid TOML: {error}", "correct it there") from error
