"""Which URLs change destination between two versions of a site: the versions, and lists of URLs.

Logs are a matter of logs/, which decides for both.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from .. import git
from ..errors import SiteError
from ..logs.comparison import Comparison, rules_of
from ..logs.deciding import Judge, Kinds
from ..logs.entry import Keyed
from ..logs.results import Section, totals
from ..logs.store import Facts
from ..settings import Settings
from ..site import Site

#: URLs that are decided together.
_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """One request of a list: its target as sent."""

    target: str
    method: str = "GET"
    host: str = "localhost"
    port: int = 80

    @property
    def key(self) -> Keyed:
        """As a request of a log."""
        path, _, query = self.target.partition("?")
        host = "" if self.host == "localhost" else self.host
        return Keyed(
            method=self.method,
            host=host,
            port=str(self.port),
            target=path,
            query=query,
            agent="",
            referer="",
            cookie="",
            client="",
        )


def compare(
    old: Site, new: Site, requests: Iterable[ListedRequest], ignored: Kinds = frozenset()
) -> Comparison:
    """Decide about every request at both sites. ``ignored``: (kind before, kind after) pairs that
    are not a change.
    """
    judge = Judge(old, new, ignored)
    facts = Facts()
    found = totals(_sections(judge, iter(requests)))
    facts.requests = found.requests
    return Comparison(totals=found, facts=facts, rules=rules_of(new))


def _sections(judge: Judge, requests: Iterator[ListedRequest]) -> Iterator[Section]:
    while batch := list(islice(requests, _BATCH)):
        counts: dict[str, int] = {}
        for asked in batch:
            key = asked.key.text
            counts[key] = counts.get(key, 0) + 1
        yield judge.section({key: [(0, count)] for key, count in counts.items()})


# -- input -----------------------------------------------------------------------------------------


def from_urls(lines: Iterable[str]) -> Iterator[ListedRequest]:
    """One URL a line, absolute or a path, a method before it if wanted; ``#`` begins a comment."""
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = re.match(r"([A-Z]+)\s+(\S.*)", text)
        method, url = (match[1], match[2]) if match else ("GET", text)
        yield _absolute(quote(url, safe=_URL_SAFE), method)


#: What a list may hold as it is; blanks and what is not ASCII are encoded.
_URL_SAFE = "/%?:@&=+$,;!~*'()|[]-_.#"


def _absolute(url: str, method: str) -> ListedRequest:
    match = re.match(r"(?i)(https?)://(\[[^\]/]*\]|[^/:?]+)(?::(\d+))?", url)
    if not match:
        return ListedRequest(url if url.startswith("/") else f"/{url}", method)
    rest = url[match.end() :]
    port = int(match[3]) if match[3] else 443 if match[1].lower() == "https" else 80
    return ListedRequest(
        rest if rest.startswith("/") else f"/{rest}", method, match[2].lower(), port
    )


# -- versions --------------------------------------------------------------------------------------


def open_version(text: str, folder: Path, settings: Settings, stack: ExitStack) -> Site:
    """A version of the site in ``folder``: another folder, a web.config, or a git revision. Raises
    SiteError.

    What has to be taken from git lies in a temporary folder until ``stack`` is closed.
    """
    path = Path(text)
    if path.is_dir():
        return Site(path, settings)
    if path.is_file():
        return Site(folder, replace(settings, root_config=path.absolute()))
    target = stack.enter_context(tempfile.TemporaryDirectory(prefix="fcgiemu-"))
    _extract(text, folder, Path(target))
    return Site(Path(target), settings)


def _extract(revision: str, folder: Path, target: Path) -> None:
    """The tree of ``folder`` as it is at a git revision."""
    try:
        repository, own = git.locate(folder)
    except subprocess.CalledProcessError as error:
        raise SiteError(
            f"{revision} is not a folder or a file, and {folder} is not in a git repository.",
            "Name two folders, or web.config files, of the site.",
        ) from error
    name, colon, prefix = revision.partition(":")
    try:
        git.checkout(repository, f"{name}:{prefix if colon else own}", target)
    except subprocess.CalledProcessError as error:
        place = own.rstrip("/")
        raise SiteError(
            f"{revision} is not a folder, a file or a git revision"
            + (f" that holds {place}." if place else "."),
            f"git -C {shlex.quote(str(folder))} log --oneline lists the revisions.",
        ) from error
