"""The tools of an agent. Each takes what a JSON object can hold and returns one; secrets are left
out of the answers. All sizes are bounded: a SiteError says which bound was met.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from .. import git
from ..diagnosis import check as diagnosis
from ..diff import compare
from ..diff import report as changes
from ..errors import SiteError
from ..pages import secret_masking
from ..report.explanation import Explanation
from ..report.explanation_text import story
from ..site import Site
from ..testing.client import Client
from ..testing.expectations import BadExpectation, Expectation, as_json, judge, parse, read
from .confined import Confined

MAX_URL = 1 << 15
MAX_HEADERS = 100
MAX_URLS = 10_000
#: Characters of expectations.
MAX_TEXT = 1 << 20
#: Entries of a list in an answer; what is left out is counted.
MAX_ENTRIES = 500
_REVISION = re.compile(r"[\w.@{}~^/-]{1,200}")
_METHOD = re.compile(r"[A-Za-z][A-Za-z-]{0,31}")

Json = dict[str, Any]


def explain(
    folder: Confined, url: str, *, site: str, method: str, headers: dict[str, str], https: bool
) -> Json:
    """What IIS would do with a URL: the story as text, and the answer of ``explain --json``."""
    _bound("The URL", len(url), MAX_URL)
    _bound("headers", len(headers), MAX_HEADERS)
    _bound("The headers", sum(map(len, (*headers, *headers.values()))), MAX_URL)
    if not _METHOD.fullmatch(method):
        raise SiteError("The method is not one.", "Write for example GET.")
    try:
        answer = folder.open(site).explain(url, method, headers, https=https)
    except ValueError as error:
        raise SiteError(f"The request cannot be made: {error}.") from None
    answer = cast(Explanation, secret_masking.data(answer))
    text = story(answer)
    answer.pop("events", None)
    answer.pop("trace", None)
    return {"story": text, **answer}


def check(folder: Confined, site: str) -> Json:
    """What is wrong or surprising in a configuration."""
    opened = folder.open(site)
    if not opened.tree.load_all(lambda name: name.startswith(".")):
        raise SiteError(f"There is no web.config in {site}.", "Name the folder of a site.")
    return _some("findings", [finding.as_json() for finding in diagnosis.check(opened)])


def test(folder: Confined, site: str, file: str, expectations: str) -> Json:
    """Expectations compared with what IIS would do: those of a text, of a file, or of all *.expect
    files of the site.
    """
    opened = folder.open(site)
    try:
        expected = list(_expectations(folder, opened, file, expectations))
    except (BadExpectation, UnicodeDecodeError) as error:
        raise SiteError(str(error)) from None
    if not expected:
        raise SiteError(
            "There is no expectation.",
            "Give some as text, one a line, such as: /old -> 301 /new",
        )
    _bound("expectations", len(expected), MAX_URLS)
    results = list(judge(Client(opened).open, expected))
    failed = [result for result in results if result.differences]
    return {
        "passed": len(results) - len(failed),
        "failed": len(failed),
        **_some("failures", as_json(failed)),
    }


def _expectations(folder: Confined, site: Site, file: str, text: str) -> Iterator[Expectation]:
    _bound("The expectations", len(text), MAX_TEXT)
    if text:
        yield from parse(text.splitlines(), "expectations")
        return
    for path in [folder.path(file)] if file else sorted(site.path.glob("*.expect")):
        folder.inside(path)
        if not path.is_file():
            raise SiteError(f"{path.name} is not a file.", "Name one that holds expectations.")
        _bound(path.name, path.stat().st_size, MAX_TEXT)
        for found in read(path):
            found.source = path.relative_to(folder.root).as_posix()
            yield found


def diff(folder: Confined, old: str, new: str, site: str, urls: list[str]) -> Json:
    """Which of some URLs change destination between two versions of a site."""
    _bound("urls", len(urls), MAX_URLS)
    for url in urls:
        _bound("A URL", len(url), MAX_URL)
    place = folder.site(site)
    settings = folder.settings(place)
    if any(_is_revision(folder, text) for text in (old, new)):
        _trust(place)
    with ExitStack() as stack:
        sites = [
            compare.open_version(_version(folder, text, site), place, settings, stack)
            for text in (old, new)
        ]
        for text, opened in zip((old, new), sites, strict=True):
            if not _is_revision(folder, text):
                folder.checked(opened)
        found = compare.compare(sites[0], sites[1], compare.from_urls(urls))
        return changes.as_json(found)


def _trust(place: Path) -> None:
    """Raises SiteError where git would run programs that a repository names."""
    try:
        if not git.names_programs(place):
            return
    except (subprocess.CalledProcessError, OSError):
        return  # no repository: opening the version says so
    raise SiteError(
        "The configuration of this git repository names programs to run for a checkout.",
        "Compare folders or web.config files.",
    )


def _version(folder: Confined, text: str, site: str) -> str:
    """A version as diff takes it: a path of the folder, or a git revision. Raises SiteError."""
    if _is_revision(folder, text):
        return text
    return str(folder.path(text or site))


def _is_revision(folder: Confined, text: str) -> bool:
    """Whether a text can only be a git revision; never one of another folder of the repository."""
    if not text or text.startswith(("-", "/", ".")) or not _REVISION.fullmatch(text):
        return False
    return ".." not in text and not (folder.root / text).exists()


def _bound(what: str, size: int, most: int) -> None:
    if size > most:
        raise SiteError(f"{what}: {size} is more than {most}, the most that is taken here.")


def _some(name: str, entries: list[Any]) -> Json:
    """A list as long as an answer holds it, and how many more there are."""
    shown = [secret_masking.data(entry) for entry in entries[:MAX_ENTRIES]]
    return {name: shown, "left_out": len(entries) - len(shown)}
