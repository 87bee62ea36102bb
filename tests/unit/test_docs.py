"""The documentation: its links, its questions, the pages made from the code, its words. What its commands
print is compared in tests/live/test_documents.py.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from dataclasses import fields
from functools import cache
from importlib import util
from pathlib import Path
from types import ModuleType
from xml.etree.ElementTree import fromstring as read_element

import pytest

from fcgiemu import Settings, project
from fcgiemu.cli import COMMANDS
from fcgiemu.version import DOCUMENTATION

from .. import documents

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "samples").glob("*.md"), *DOCS.rglob("*.md")])
NEEDS_MKDOCS = pytest.mark.skipif(
    util.find_spec("mkdocs") is None or util.find_spec("mkdocstrings") is None,
    reason="mkdocs is not installed (make docs installs it)",
)


@cache
def hook(name: str) -> ModuleType:
    """A module of docs/hooks, which mkdocs imports by its path."""
    spec = util.spec_from_file_location(name, DOCS / "hooks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(path: Path) -> str | None:
    """A page of the repository, or one that is made from the code; None where there is neither."""
    if path.is_file():
        return path.read_text("utf-8", "replace")
    address = path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else ""
    made = hook("reference").PAGES.get(address)
    return None if made is None else str(made())


def without_blocks(text: str) -> str:
    """A page without its fenced blocks and code, which may look like links or words."""
    return re.sub(r"(?ms)^```.*?^```", "", re.sub(r"`[^`\n]+`", "`code`", text))


def anchors(text: str) -> set[str]:
    """The anchors of headings, as the site makes them."""
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text)):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
        words = re.sub(r"[^\w\s-]", "", ascii_only).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", words))
    return found


def links(page: Path) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            assert re.match(r"https://[\w.-]+(/|$)|mailto:", link), link
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        text = "" if target.is_dir() else text_of(target)
        assert text is not None, f"{link}: there is no such page"
        if anchor:
            assert anchor in anchors(text), f"{link}: there is no such heading"


def test_ten_questions_each_have_their_answer() -> None:
    """The links themselves are tested with those of all pages."""
    rows = re.findall(
        r"(?m)^\| (.+\?) \| \[.*?\]\(([^)]+)\) \|$", (DOCS / "questions.md").read_text()
    )
    assert len(rows) == 10
    for question, link in rows:
        assert link.startswith(("explanation/", "howto/", "reference/")), question


def test_messages_name_pages_by_an_address_that_setup_cfg_knows() -> None:
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    assert f"Documentation = {DOCUMENTATION}index.md" in declared["metadata"]["project_urls"]
    sources = [*(ROOT / "fcgiemu").rglob("*.py"), *(ROOT / "fcgiemu").rglob("*.toml")]
    for source in sources:
        text = source.read_text("utf-8")
        for name in re.findall(
            r"(?:DOCUMENTATION\}|" + re.escape(DOCUMENTATION) + r")([\w/.-]+\.md)", text
        ):
            assert (DOCS / name).is_file(), f"{source}: {name}"


def test_the_reference_is_whole() -> None:
    made = {address: page() for address, page in hook("reference").PAGES.items()}
    for name in COMMANDS:
        assert f"### fcgiemu {name}\n" in made["reference/commands.md"]
    for key in (*project._KEYS, *project._SERVE):
        assert re.search(rf"(?m)^\| `{key}` \|", made["reference/keys.md"]), key
    for field in fields(Settings):
        row = re.search(rf"(?m)^\| `{field.name}` \|.*\| (.*) \|$", made["reference/settings.md"])
        assert row is not None and row[1], (
            f"Settings.{field.name} has no comment #: that says what it is"
        )
    assert "| `RULE_EVALUATION_START` | measured |" in made["reference/events.md"]


def test_every_extra_is_named() -> None:
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    text = (DOCS / "tutorials" / "install.md").read_text("utf-8")
    for extra in declared["options.extras_require"]:
        assert f"`fcgiemu[{extra}]`" in text, extra


def _configuration(text: str) -> object:
    """What stands between tags of a web.config, or all of it."""
    return read_element(
        text if "<configuration" in text else f"<configuration>{text}</configuration>"
    )


#: Language of a fenced block -> what reads it.
READERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": ast.parse,
    "toml": tomllib.loads,
    "xml": _configuration,
}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "check.md"],  # its examples are wrong on purpose
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_blocks_can_be_read(page: Path) -> None:
    for block in documents.blocks(page):
        if block.language in READERS:
            try:
                READERS[block.language]("\n".join(block.lines))
            except (ValueError, SyntaxError) as error:
                pytest.fail(f"{page.name}:{block.first}: {error}")


#: Phrases that are not English, or not ours any more -> what to write.
PHRASES = {
    r"(?<!here )\b(?:is|are) no (?!longer\b|more\b|such\b)": "is not a",
    r"[Ii]n front of the arrow": "before the arrow",
    r"a place to find links": "pip looks there",
    r"is whatever": "name it",
    r"\bas on there\b": "as on IIS",
    r"(?i)\bat hand\b": "here",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_phrases(page: Path) -> None:
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        for phrase, better in PHRASES.items():
            found = re.search(phrase, line)
            assert not found, f"{page.name}:{number}: {found[0] if found else ''!r}: write {better}"


@NEEDS_MKDOCS
def test_a_page_that_the_navigation_leaves_out_is_shown() -> None:
    nav = [{"Start": "index.md"}, {"A": ["a.md", {"B": "b.md"}]}]
    whole = hook("site").whole
    assert whole(nav, ["index.md", "a.md", "b.md"]) == nav
    assert whole(nav, ["new.md", "a.md"]) == [*nav, {"More": ["new.md"]}]


@NEEDS_MKDOCS
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "reference" / "api.html").read_text("utf-8")
    assert 'id="fcgiemu.site.Site.explain"' in page
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
