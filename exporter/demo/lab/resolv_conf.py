"""The ways in which programs change resolv.conf."""

from pathlib import Path
from typing import Literal, get_args

Way = Literal["rename", "in-place", "recreate", "symlink", "symlink-target"]

WAYS: tuple[Way, ...] = get_args(Way)


def change(etc: Path, text: str, way: Way) -> None:
    """Write `text` to resolv.conf in the directory `etc`.

    | way            | used by                                                               |
    | -------------- | --------------------------------------------------------------------- |
    | rename         | NetworkManager, editors: a new file is moved over the old one         |
    | in-place       | dhclient, cloud-init, openresolv: truncated, then written             |
    | recreate       | shell scripts: removed, then created                                  |
    | symlink        | a switch to another manager: a new link, to a new file, is moved over |
    | symlink-target | systemd-resolved, resolvconf: the file behind the link is replaced    |

    `symlink-target` creates the link first if there is none: to change only the target, use it twice.
    """
    path = etc / "resolv.conf"
    if way == "rename":
        replace(path, text)
    elif way == "in-place":
        path.write_text(text)
    elif way == "recreate":
        path.unlink(missing_ok=True)
        path.write_text(text)
    elif way == "symlink":
        link(path, text, fresh=True)
    elif path.is_symlink():
        replace(etc / path.readlink(), text)
    else:
        link(path, text, fresh=False)


def replace(path: Path, text: str) -> None:
    """Write a new file beside `path` and move it over it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def link(path: Path, text: str, *, fresh: bool) -> None:
    """Write `text` to a file beside `path` and move a relative link to it over `path`.

    The link is relative because the lab follows it from outside, where / is a different directory.
    """
    number = 1
    while fresh and path.with_name(f"resolv.conf.{number}").exists():
        number += 1
    target = path.with_name(f"resolv.conf.{number}")
    target.write_text(text)
    new = path.with_name(".resolv.conf.link")
    new.unlink(missing_ok=True)
    new.symlink_to(target.name)
    new.replace(path)
