"""Which URLs change destination between two versions of a site: requests decided twice, grouped by
what changed.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from .. import git
from ..decision import (
    CallFastCgi,
    CallHttpPlatform,
    ListDirectory,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..errors import SiteError
from ..http.request import Request
from ..http.url import UrlRefused, canonicalize
from ..settings import Settings
from ..site import Site

#: Examples kept of each change.
EXAMPLES = 3
#: Changes told apart; what comes beyond is counted together.
MAX_GROUPS = 2000
#: Answers and files remembered, so that memory stays bounded whatever the length of a log.
MAX_REMEMBERED = 50_000
#: Logged statuses that are as good as the one that is predicted: conditional and range requests.
_ALIKE = {304: 200, 206: 200}

Destination = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one version does with a request: where it goes, the words that group it, the status
    where IIS itself sets it.
    """

    where: Destination
    label: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the input: its target as sent, and the status that a log shows for it."""

    target: str
    method: str = "GET"
    host: str = "localhost"
    port: int = 80
    status: int | None = None


@dataclass(slots=True)
class Change:
    """URLs that went one way and now go another. ``old`` and ``new`` say where, with the rule that
    decided.
    """

    old: str
    new: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What a comparison found."""

    asked: int = 0
    changed: int = 0
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    #: (logged status, status that the old version gives) -> what differs from the log.
    unlike_log: dict[tuple[int, str], Change] = field(default_factory=dict)
    #: Lines of a log that hold no request.
    skipped: int = 0


def compare(
    old: Site, new: Site, requests: Iterable[Asked], report: Report | None = None
) -> Report:
    """Decide about every request at both sites. ``report`` is filled as the requests come."""
    report = report if report is not None else Report()
    for site in (old, new):
        for directory in site.layout.directories:
            directory.view.remember(MAX_REMEMBERED)
    known: dict[tuple[str, str, str, int], tuple[_Outcome, _Outcome]] = {}
    for asked in requests:
        report.asked += 1
        key = (asked.target, asked.method, asked.host, asked.port)
        found = known.get(key)
        if found is None:
            if len(known) >= MAX_REMEMBERED:
                known.clear()
            known[key] = found = _both(old, new, asked)
        one, other = found
        if one.where != other.where:
            report.changed += 1
            shown = f"{asked.target}: {_shown(one.where)} -> {_shown(other.where)}"
            _count(report.changes, (one.label, other.label), shown)
        if (
            asked.status is not None
            and one.status is not None
            and one.status != _ALIKE.get(asked.status, asked.status)
        ):
            _count(report.unlike_log, (asked.status, one.label), asked.target)
    return report


def _count(
    groups: dict[tuple[str, str], Change] | dict[tuple[int, str], Change],
    key: tuple[object, str],
    target: str,
) -> None:
    known: dict[tuple[object, str], Change] = groups  # type: ignore[assignment]
    if key not in known and len(known) >= MAX_GROUPS:
        key = (key[0], "something else")
    change = known.setdefault(key, Change(str(key[0]), key[1]))
    change.count += 1
    if len(change.examples) < EXAMPLES and target not in change.examples:
        change.examples.append(target)


def _both(old: Site, new: Site, asked: Asked) -> tuple[_Outcome, _Outcome]:
    try:
        request = _request(asked)
    except UrlRefused as error:
        refused = _outcome(Refused.of(error))
        return refused, refused
    return _outcome(old.decide(request)), _outcome(new.decide(request))


def _outcome(decision: Outcome) -> _Outcome:
    if isinstance(decision, Refused):
        return _Outcome(_destination(decision), _label(decision), decision.status)
    action = decision.action
    status = None
    if isinstance(action, Redirect | Respond):
        status = action.status
    elif isinstance(action, ServeFile | ListDirectory):
        status = 200
    return _Outcome(_destination(decision), _label(decision), status)


def _request(asked: Asked) -> Request:
    """The request of a client elsewhere. Raises UrlRefused."""
    scheme = "https" if asked.port == 443 else "http"
    host = asked.host if asked.port in (80, 443) else f"{asked.host}:{asked.port}"
    return Request(
        asked.method,
        canonicalize(asked.target),
        (("Host", host),),
        scheme,
        asked.host,
        asked.port,
        remote_addr="203.0.113.1",
        body_length=0,
        fields={"host": host},
    )


def _destination(decision: Outcome) -> Destination:
    """Where a request goes, so that two versions can be compared."""
    if isinstance(decision, Refused):
        return "status", str(decision.status)
    action = decision.action
    if isinstance(action, ServeFile | ListDirectory):
        return action.kind, decision.site.spelled(action.entry).lower()
    if isinstance(action, Redirect):
        return "redirect", f"{action.status} {action.location}"
    if isinstance(action, Respond):
        return "status", f"{action.status}.{action.substatus}"
    if isinstance(action, Proxy):
        return "proxy", action.url
    if isinstance(action, CallFastCgi | CallHttpPlatform):
        return action.kind, f"{action.handler.name} {decision.path}?{decision.query}"
    return action.kind, ""


def _shown(where: Destination) -> str:
    """A destination in a few words."""
    return where[1] if where[0] == "status" else f"{where[0]} {where[1]}".rstrip("? ")


def _label(decision: Outcome) -> str:
    """Where a kind of requests goes, and by which rule: the words that group changes."""
    if isinstance(decision, Refused):
        return str(decision.status)
    action = decision.action
    if isinstance(action, Redirect):
        words = f"redirect {action.status}"
    elif isinstance(action, Respond):
        words = f"{action.status}.{action.substatus}"
    elif isinstance(action, CallFastCgi | CallHttpPlatform):
        words = f"{action.kind} '{action.handler.name}'"
    else:
        words = action.kind
    return f"{words} by rule '{decision.rules[-1]}'" if decision.rules else words


# -- input -----------------------------------------------------------------------------------------


def from_urls(lines: Iterable[str]) -> Iterator[Asked]:
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


def _absolute(url: str, method: str) -> Asked:
    match = re.match(r"(?i)(https?)://(\[[^\]/]*\]|[^/:?]+)(?::(\d+))?", url)
    if not match:
        return Asked(url if url.startswith("/") else f"/{url}", method)
    rest = url[match.end() :]
    port = int(match[3]) if match[3] else 443 if match[1].lower() == "https" else 80
    return Asked(rest if rest.startswith("/") else f"/{rest}", method, match[2].lower(), port)


def from_log(lines: Iterable[str], report: Report) -> Iterator[Asked]:
    """The requests of IIS's W3C log, by its #Fields line. Lines that hold none are counted in
    ``report.skipped``.

    A ``+`` of the stem is a blank (the log cannot tell them apart). Raises SiteError before a
    #Fields line.
    """
    stem = query = method = status = host = port = -1
    for line in lines:
        if line.startswith("#"):
            if line.startswith("#Fields:"):
                names = line[8:].split()
                stem, query, method, status, host, port = (
                    names.index(name) if name in names else -1
                    for name in (
                        "cs-uri-stem",
                        "cs-uri-query",
                        "cs-method",
                        "sc-status",
                        "cs-host",
                        "s-port",
                    )
                )
            continue
        values = line.split()
        if stem < 0:
            raise SiteError(
                "The log has no #Fields line with cs-uri-stem before its first request.",
                "Take a whole file of IIS's W3C log, with its # lines.",
            )
        try:
            target = _encoded(values[stem])
            if query >= 0 and values[query] != "-":
                target += "?" + values[query]
            name = values[host] if host >= 0 else "localhost"
            yield Asked(
                target,
                values[method] if method >= 0 else "GET",
                "localhost" if name == "-" else name.partition(":")[0],
                int(values[port]) if port >= 0 else 80,
                int(values[status]) if status >= 0 else None,
            )
        except (IndexError, ValueError):
            report.skipped += 1


_PLAIN_STEM = re.compile(r"[A-Za-z0-9/._~%-]*")


def _encoded(stem: str) -> str:
    if _PLAIN_STEM.fullmatch(stem):
        return stem
    return quote(stem.replace("+", " "), safe="/%;:@&=$,!~*'()|[]-_.")


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
            f"{revision} is no folder and no file, and {folder} is in no git repository."
        ) from error
    name, colon, prefix = revision.partition(":")
    try:
        git.checkout(repository, f"{name}:{prefix if colon else own}", target)
    except subprocess.CalledProcessError as error:
        words = str(error.stderr or "").strip().splitlines()
        raise SiteError(
            f"{revision} is no folder, no file and no git revision.", "".join(words[-1:])
        ) from error
