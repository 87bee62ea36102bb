"""Stories of requests, and answers to a web.config that is being written.

All of it happens in one thread with sites of its own, so that no request waits for a look. The
trace of a request is made when somebody looks, from the files as they are then: where the answer
has become another one since, that is said (``is_as_it_was``).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..decision import PROCESS_KINDS, Decision, Outcome, Refused
from ..diagnosis import sample_requests
from ..diagnosis.check import check
from ..diagnosis.hidden_files import linked_files
from ..http.request import Request, make_request
from ..http.url import NOT_A_URL, UrlRefused, encode_path, is_url
from ..modules import application_request_routing
from ..pages import story as page_story
from ..report.explanation import Explanation, explanation
from ..report.explanation_text import lines
from ..report.explanation_text import told as as_told
from ..rewrite.pattern import compile_matcher
from ..rewrite.pattern_errors import PatternError
from ..rewrite.regex import TooComplex
from ..settings import Settings
from ..site import Site
from ..testing.answer import Answer
from ..testing.coverage import expectation_line, rules
from ..trace import Trace
from . import views
from .recent_requests import Seen

T = TypeVar("T")
#: URLs that are answered at once.
MAX_URLS = 100
#: Characters of a web.config, a pattern and a text to try it on.
MAX_CONFIG, MAX_PATTERN, MAX_INPUT = 1 << 20, 4096, 1 << 15


class BadQuestion(Exception):
    """A question that cannot be answered; says why."""


class Explainer:
    """Answers in its own thread."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path, self._settings = path, settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ui")
        self._site: Site | None = None
        self._draft: Site | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``, done in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def begin(self, work: Callable[[], object]) -> None:
        """Have ``work`` done in the thread; nobody waits for it."""
        self._thread.submit(work)

    def close(self) -> None:
        """End the thread, and remove what it has written."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            self._folder.cleanup()

    def use(self, settings: Settings) -> None:
        """Answer by other settings from now on. To be called in the thread."""
        self._settings = settings
        self._site = self._draft = None

    def site(self) -> Site:
        """The site as its files are now."""
        if self._site is None:
            self._site = Site(self._path, self._settings)
        self._site.tree.refresh()
        return self._site

    def with_config(self, text: str) -> Site:
        """The site with ``text`` in the place of its root web.config."""
        if len(text) > MAX_CONFIG:
            raise BadQuestion(f"A web.config has at most {MAX_CONFIG} characters here.")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="fcgiemu-ui-", ignore_cleanup_errors=True
            )
        file = Path(self._folder.name) / "web.config"
        file.write_text(text, encoding="utf-8", newline="")
        if self._draft is None:
            self._draft = Site(self._path, replace(self._settings, root_config=file))
        else:
            self._draft.tree.invalidate()
        return self._draft


def of_request(site: Site, seen: Seen) -> dict[str, Any]:
    """The story of a request that has been answered."""
    decision = seen.decision
    if decision is None:
        told = explanation(site, seen.entry.outcome, seen.entry.method, seen.target, trace=Trace())
        return {**_with_story(site, told), "is_as_it_was": True}
    trace = Trace()
    now = application_request_routing.as_asked(
        site.decide(decision.request, trace), decision.action, trace
    )
    told = explanation(site, now, seen.entry.method, seen.target, trace=trace)
    sent = [pair for pair in views.request_headers(seen) if pair[0].lower() in _TELLING]
    told["why"] = _why(told, seen)
    found = _with_story(site, told)
    found["is_as_it_was"] = _is_same(decision, now)
    found["copies"] = _copies(told, sent, decision.request.scheme, decision.request.authority)
    return found


def _why(told: Explanation, seen: Seen) -> list[str]:
    """The reasons, with what has become of the request in the end: what a program has answered, and
    what a process that failed has made of it.
    """
    status, outcome = seen.entry.status, told["outcome"]
    why = told.get("why", [])
    if outcome["kind"] in PROGRAMS and status >= 400:
        where = outcome["path"] + (f"?{outcome['query']}" if outcome["query"] else "")
        if seen.entry.remark:
            failed = seen.entry.remark.rstrip(".")
            return [f"The program behind handler '{outcome['handler']}' failed: {failed}.", *why]
        return [f"The application itself answered {status}: it was asked for {where}.", *why]
    return why


#: Kinds of outcomes in which a program answers.
PROGRAMS = frozenset({"fastcgi", "proxy"}) | PROCESS_KINDS
#: Headers that rules often look at; the others would make an expectation long.
_TELLING = frozenset({"accept-language", "x-forwarded-proto", "x-requested-with"})


def _is_same(before: Decision, now: Decision) -> bool:
    """Whether two decisions come to the same; FastCGI's own failures are those of a process."""
    return (before.path, before.query, before.rules) == (now.path, now.query, now.rules) and (
        before.action.kind == now.action.kind or before.module == "FastCgiModule"
    )


def _copies(
    told: Explanation, sent: list[tuple[str, str]], scheme: str, host: str
) -> dict[str, str]:
    """The request as a line of expectations and as a test."""
    outcome = told["outcome"]
    origin = urlsplit(outcome["location"] or "")
    method, url = told["request"]["method"], told["request"]["url"]
    if origin.netloc and origin.netloc == host:  # the redirect depends on who was asked
        url = f"{scheme}://{host}{url}"
    asked: Explanation = {**told, "request": {"method": method, "url": url}}
    line = expectation_line(Answer(asked, sent))
    checks = [f"    assert answer.kind == {outcome['kind']!r}"]
    if outcome["status"] is not None:
        checks.append(f"    assert answer.status == {outcome['status']}")
    if outcome["location"] is not None:
        checks.append(f"    assert answer.location == {outcome['location']!r}")
    else:
        checks.append(f"    assert answer.path == {outcome['path']!r}")
    headers = f", headers={sent!r}" if sent else ""
    test = [
        "from fcgiemu.testing import Client",
        "",
        "",
        "def test_request(iis_site: Client) -> None:",
        f"    answer = iis_site.open({url!r}, {method!r}{headers})",
        *checks,
    ]
    return dict(views.clean({"expect": line, "pytest": "\n".join(test) + "\n"}))


def of_url(
    site: Site, url: str, method: str = "GET", headers: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The story of a URL."""
    if not is_url(url):
        raise BadQuestion(NOT_A_URL)
    trace = Trace()
    outcome: Outcome
    try:
        request: Request = make_request(url, method, headers)
        outcome = site.decide(site.as_received(request), trace)
    except UrlRefused as error:
        outcome = Refused.of(error)
    told = explanation(site, outcome, method, url, trace=trace)
    return _with_story(site, told)


def of_urls(site: Site, urls: Sequence[str]) -> list[dict[str, Any]]:
    """What becomes of each URL. One that cannot be asked about says why in its place."""
    if len(urls) > MAX_URLS:
        raise BadQuestion(f"At most {MAX_URLS} URLs are answered at once.")
    found = []
    for url in urls:
        try:
            found.append(of_url(site, url))
        except BadQuestion as error:
            found.append({"request": {"method": "GET", "url": url}, "error": str(error)})
    return found


#: Files of the site that are offered.
MAX_FILES = 40


def urls(site: Site) -> list[str]:
    """URLs worth asking about: the first page, one that each rule applies to, and files."""
    found = ["/"]
    for rule in rules(site):
        for request in sample_requests.requests(rule):
            if rule.name in site.decide(site.as_received(request)).rules:
                local = request.authority in ("", "localhost") and request.scheme == "http"
                raw = request.target.raw
                found.append(raw if local else f"{request.scheme}://{request.authority}{raw}")
                break
    found += [
        encode_path(path) for path, _ in zip(linked_files(site), range(MAX_FILES), strict=False)
    ]
    return list(dict.fromkeys(found))[:MAX_URLS]


def _with_story(site: Site, told: Explanation) -> dict[str, Any]:
    """An answer with its story as lines and as HTML, without secrets."""
    clean: Explanation = views.clean(told)
    story = [{"depth": line.depth, "role": line.role, "text": line.text} for line in lines(clean)]
    html = page_story.fragment(as_told(clean, site.files.configuration))
    answer: dict[str, Any] = {**clean, "story": story, "html": html}
    answer.pop("trace", None)
    return answer


def findings(site: Site) -> list[dict[str, Any]]:
    """What ``check`` finds."""
    return [dict(views.clean(found.as_json())) for found in check(site)]


def try_pattern(pattern: str, text: str, syntax: str, ignore_case: bool) -> dict[str, Any]:
    """What a single pattern makes of a text: as the Test pattern box of IIS Manager."""
    if len(pattern) > MAX_PATTERN or len(text) > MAX_INPUT:
        raise BadQuestion(f"A pattern has at most {MAX_PATTERN} characters, a text {MAX_INPUT}.")
    try:
        captures = compile_matcher(pattern, syntax, ignore_case)(text)
    except (PatternError, TooComplex) as error:
        return {"matches": False, "captures": [], "html": "", "error": str(error)}
    return {
        "matches": captures is not None,
        "captures": list(captures or ()),
        "html": page_story.marked_text(text, captures),
        "error": None,
    }
