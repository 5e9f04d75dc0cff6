"""resolv.conf: what glibc itself makes of made-up files is what we make of them."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.fuzz.resolv_conf_files import resolv_conf
from tests.support.glibc import ask, parse, reading

_AT_ONCE = 10_000


@pytest.mark.parametrize(
    ("seed", "files"),
    [
        pytest.param(53, 10_000, id="10,000, the same each time"),
        pytest.param(None, 100_000, id="100,000, others each time", marks=pytest.mark.slow),
    ],
)
def test_glibc_takes_the_same_from_every_file(seed: int | None, files: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The same nameservers in the same order, scopes included, and the same bound on a lookup."""
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    rng = Random(seed)
    kinds = set()
    for begin in range(0, files, _AT_ONCE):
        texts = [resolv_conf(rng) for _ in range(min(_AT_ONCE, files - begin))]
        answers = ask(texts)
        assert len(answers) == len(texts)
        for text, glibc in zip(texts, answers, strict=True):
            assert reading(parse(text)) == glibc, f"seed {seed}: {text!r}"
        kinds |= set(answers)
    assert len(kinds) > files // 10, "the files are too alike to prove anything"
    with capsys.disabled():
        print(f"\n{files} files, seed {seed}: {len(kinds)} different readings, all the same as glibc's")
