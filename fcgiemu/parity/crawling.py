"""The pages of a site, found by following its links from the first one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from urllib.parse import quote, urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from lxml import etree, html

from .requesting import USER_AGENT, Asker, LiveAnswer, Origin, Question

_LINKS = (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"))
#: Parts of addresses that may change something on a badly made site.
_RISKY = ("logout", "logoff", "signout", "sign-out", "log-out", "delete", "remove", "unsubscribe")


class Crawler:
    """Up to ``limit`` questions, beginning with ``/``: iterate, and give each answer to ``learn``.

    Only this origin, only what robots.txt allows, nothing whose address speaks of signing out or
    deleting.
    """

    def __init__(self, where: Origin, limit: int, robots: RobotFileParser | None = None) -> None:
        self._where = where
        self._limit = limit
        self._robots = robots
        self._waiting: deque[str] = deque(["/"])
        self._seen = {"/"}

    def __iter__(self) -> Iterator[Question]:
        for _ in range(self._limit):
            if not self._waiting:
                return
            yield Question(self._waiting.popleft())

    def learn(self, question: Question, answer: LiveAnswer) -> None:
        """Take the links of an answer, and where it redirects to."""
        base = self._where.url + question.target
        if location := answer.header("location"):
            self._add(base, location)
        if answer.header("content-type").lower().startswith(("text/html", "application/xhtml")):
            for link in _links(answer.body):
                self._add(base, link)

    def _add(self, base: str, link: str) -> None:
        try:
            parts = urlsplit(urldefrag(urljoin(base, link.strip()))[0])
            same = parts.scheme == self._where.scheme and (
                parts.netloc.lower() == self._where.authority.lower()
            )
        except ValueError:
            return
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?[]") if parts.query else ""
        )
        if not same or target in self._seen or any(word in target.lower() for word in _RISKY):
            return
        if self._robots is not None and not self._robots.can_fetch(
            USER_AGENT, self._where.url + target
        ):
            return
        if len(self._seen) < self._limit * 50:
            self._seen.add(target)
            self._waiting.append(target)


def _links(body: bytes) -> Iterator[str]:
    if not body.strip():
        return
    try:
        tree = html.document_fromstring(body, parser=html.HTMLParser(no_network=True))
    except (etree.LxmlError, ValueError):
        return
    for tag, attribute in _LINKS:
        for element in tree.iter(tag):
            link = element.get(attribute)
            if link and not link.startswith(("mailto:", "javascript:", "data:", "tel:")):
                yield link


def robots(asker: Asker) -> RobotFileParser | None:
    """The site's robots.txt; None where it has none."""
    answer = asker.ask(Question("/robots.txt"))
    if answer.status != 200:
        return None
    found = RobotFileParser()
    found.parse(answer.body.decode("utf-8", "replace").splitlines())
    return found
