"""Completion for shells, made from the commands' own parsers: ``python -m exporter.completions bash|zsh|fish``.

The forms are those of bash(1), "Programmable Completion"; zshcompsys(1), ``_arguments``; and fish's complete(1).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.cli import COMMANDS, build_parser

__all__ = ["SHELLS", "bash", "fish", "zsh"]

_FILES, _DIRECTORIES = {"PATH", "FILE"}, {"DIR"}
_MADE = "for resolvtrace(1), made by `make completions`"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command. ``value``: what it takes, None for nothing; ``choices``: of which."""

    flags: tuple[str, ...]
    help: str
    value: str | None
    choices: tuple[str, ...]


def _options() -> dict[str, list[Option]]:
    """Give each command's options."""
    _, commands = build_parser([name for name, _ in COMMANDS])
    return {name: list(_of(parser)) for name, parser in commands.items()}


def _of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        if action.option_strings:
            takes = None if action.nargs == 0 else str(action.metavar or action.dest.upper())
            told = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
            yield Option(tuple(action.option_strings), told, takes, tuple(action.choices or ()))


def bash() -> str:
    """Return a file for bash."""
    every = _options()
    words = "\n".join(
        f'        {name}) words="{" ".join(flag for option in options for flag in option.flags)}" ;;'
        for name, options in every.items()
    )
    return f"""\
# bash completion {_MADE}

_resolvtrace() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command="" word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
        {"|".join(every)}) command=$word && break ;;
        esac
    done
    case "$command $prev" in
{"".join(_bash_values(every))}    esac
    case $command in
        "") words="{" ".join(every)} --help --version" ;;
{words}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}}

complete -F _resolvtrace resolvtrace
"""


def _bash_values(every: dict[str, list[Option]]) -> Iterator[str]:
    for name, options in every.items():
        for option in options:
            if option.value is None:
                continue
            before = "|".join(f'"{name} {flag}"' for flag in option.flags)
            if option.choices:
                what = f'-W "{" ".join(option.choices)}"'
            elif option.value in _FILES | _DIRECTORIES:
                what = "-f" if option.value in _FILES else "-d"
            else:
                yield f"        {before}) return ;;\n"
                continue
            files = "" if option.choices else "compopt -o filenames; "
            yield f'        {before}) {files}mapfile -t COMPREPLY < <(compgen {what} -- "$cur"); return ;;\n'


def zsh() -> str:
    """Return a file for zsh."""
    commands = "\n".join(f"            {_quoted(f'{name}:{summary}')}" for name, summary in COMMANDS)
    cases = "\n".join(
        f"        {name})\n            _arguments {_continued(options, name)} ;;"
        for name, options in _options().items()
    )
    return f"""\
#compdef resolvtrace
# zsh completion {_MADE}

_resolvtrace() {{
    local context state line
    typeset -A opt_args
    _arguments -C '(- *)--help[show help]' '(- *)--version[print the version]' '1:command:->command' \\
        '*::argument:->argument'
    case $state in
    command)
        local -a commands=(
{commands}
        )
        _describe command commands ;;
    argument)
        case $words[1] in
{cases}
        esac ;;
    esac
}}

_resolvtrace "$@"
"""


def _continued(options: list[Option], command: str) -> str:
    specs = [_zsh_spec(option) for option in options]
    rest = {"explain": "'1:pid:_pids'", "who": "'1:address:_hosts'"}.get(command)
    return " \\\n                ".join([*specs, *([rest] if rest else [])])


def _zsh_spec(option: Option) -> str:
    told = "".join(f"\\{char}" if char in "[]:" else char for char in option.help)
    value = ""
    if option.value is not None:
        files = "_files -/" if option.value in _DIRECTORIES else "_files" if option.value in _FILES else ""
        value = f":{option.value.replace(':', ' ')}:" + (f"({' '.join(option.choices)})" if option.choices else files)
    if len(option.flags) == 1:
        return _quoted(f"{option.flags[0]}[{told}]{value}")
    excluded = f"({' '.join(option.flags)})"
    return f"{_quoted(excluded)}{{{','.join(option.flags)}}}{_quoted(f'[{told}]{value}')}"


def fish() -> str:
    """Return a file for fish."""
    lines = [
        f"# fish completion {_MADE}",
        "complete -c resolvtrace -f",
        "complete -c resolvtrace -n __fish_use_subcommand -l help -d 'show help'",
        "complete -c resolvtrace -n __fish_use_subcommand -l version -d 'print the version'",
    ]
    lines += [
        f"complete -c resolvtrace -n __fish_use_subcommand -a {name} -d {_quoted(summary)}"
        for name, summary in COMMANDS
    ]
    for name, options in _options().items():
        for option in options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            lines.append(
                f"complete -c resolvtrace -n '__fish_seen_subcommand_from {name}' {flags}"
                f"{_fish_value(option)} -d {_quoted(option.help)}"
            )
    return "\n".join(lines) + "\n"


def _fish_value(option: Option) -> str:
    if option.value is None:
        return ""
    if option.choices:
        return f" -x -a '{' '.join(option.choices)}'"
    if option.value in _DIRECTORIES:
        return " -x -a '(__fish_complete_directories)'"
    return " -r -F" if option.value in _FILES else " -x"


def _quoted(text: str) -> str:
    """Quote, in a way that all three shells understand."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
"""The form for each shell."""

if __name__ == "__main__":
    sys.stdout.write(SHELLS[sys.argv[1]]())
