"""Every command of README and the tutorials is run, and prints what the page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .. import documents


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.stem)
def test_a_page_as_it_stands(page: Path, tmp_path: Path) -> None:
    """Where an output has changed: ``python -m tests.documents PAGE`` writes today's into the page."""
    absent = sorted(name for name in documents.needs(page) if shutil.which(name) is None)
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    outputs = documents.run(page, tmp_path)
    assert outputs
    for output in outputs:
        assert output.agrees, "\n".join(
            [
                f"{page.name}:{output.first}: $ {output.command}",
                "the page says:",
                *output.said,
                "it prints:",
                *output.printed,
            ]
        )


#: What a page says, what is printed, whether that agrees.
LINES = [
    (["16:02:11 200 GET / -> FastCGI Python 38.1 ms"], ["09:15:00 200 GET / -> FastCGI Python 4.0 ms"], True),
    ([r"C:\Python312\python.exe"], [r"C:\Python311\python.exe"], True),
    (["a … z"], ["a b c z"], True),
    (["a", "…", "z"], ["a", "z"], True),
    (["a", "…", "z"], ["a", "b", "c", "z"], True),
    (["a"], ["a", "b"], False),
    (["404.0"], ["404.8"], False),
    ([], ["a"], False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "printed", "agrees"), LINES)
def test_what_counts_as_the_same(said: list[str], printed: list[str], agrees: bool) -> None:
    output = documents.Output(first=0, command="", said=said, printed=printed)
    assert output.agrees is agrees
