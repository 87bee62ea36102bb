"""The layers of the imports, and the page that shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .. import architecture

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_the_code() -> None:
    """Where this fails: ``python -m tests.architecture`` writes it again."""
    assert architecture.page() == architecture.PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = re.findall(r"`((?:fcgiemu|tests|docs|samples)/[\w./-]*)`", text)
    assert named and [path for path in named if not (ROOT / path).exists()] == []


def test_every_file_says_what_it_holds() -> None:
    assert re.findall(r"^\| `(.+)` \|  \|$", architecture.files(), re.MULTILINE) == []


def test_every_room_is_described() -> None:
    text = architecture.PAGE.read_text("utf-8")
    table = text[text.index("| room |") :].partition("\n\n")[0]
    described = {
        name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    }
    rooms = {
        path.stem for path in (ROOT / "fcgiemu").iterdir() if path.suffix == ".py" or path.is_dir()
    }
    assert {name for name in rooms if not name.startswith("__")} <= described


_ELSEWHERE = re.compile(r"see DESIGN|\bspec \d|\(section \d")


def test_no_comment_refers_to_a_document_that_is_not_here() -> None:
    """Numbers of sections of a specification that the repository does not hold tell nobody
    anything; those of RFCs and of XPath name their document.
    """
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (ROOT / "fcgiemu").rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if _ELSEWHERE.search(line) and "RFC" not in line and "XPath" not in line
    ]
    assert not found


def test_one_name_means_one_class() -> None:
    """Two classes of one name are read as one. The worker's Request and the one of the fixture's
    client have the names that their users know.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "fcgiemu").rglob("*.py")):
        for name in re.findall(r"^class ([A-Z]\w*)", path.read_text("utf-8"), re.MULTILINE):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert twice.keys() <= {"Request", "Response"}, twice
