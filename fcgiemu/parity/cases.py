"""Cases for bug reports: one request, what each side made of it, and the rules behind it, as JSON
with secrets masked. A case holds no other part of the configuration and no body.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..freb import trace_masking
from ..site import Site
from ..version import __version__
from .comparing import ChangedAnswer
from .requesting import Header, LiveAnswer

#: The place of names of hosts in cases.
HOST = "www.example.org"
#: Lines of one rule that a case shows.
_MAX_LINES = 60
_SECRET_ATTRIBUTES = re.compile(
    r"(?i)((?:password|pwd|secret|token|apiKey|accountKey|sharedAccessKey)\w*\s*=\s*[\"']?)[^\"';]+"
)


class Redactor:
    """Takes secrets and the names of hosts out of what a case shows."""

    def __init__(self, hosts: Iterable[str]) -> None:
        # the longest first, so that a host inside another name is not cut out of it
        self._hosts = sorted({host for host in hosts if host}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """A URL or a value."""
        for host in self._hosts:
            text = re.sub(rf"(?i)(?<![\w.-]){re.escape(host)}(?![\w-])", HOST, text)
        return trace_masking.parameters(text)

    def headers(self, pairs: Iterable[Header]) -> list[list[str]]:
        """Headers, secret ones masked."""
        return [[name, self.text(value)] for name, value in trace_masking.headers(pairs)]

    def configuration(self, lines: Iterable[str]) -> list[str]:
        """Lines of a configuration file."""
        return [
            self.text(_SECRET_ATTRIBUTES.sub(rf"\g<1>{trace_masking.MASK}", line)) for line in lines
        ]


def of_comparison(found: ChangedAnswer, site: Site, live: str, host: str) -> dict[str, Any]:
    """The case of a difference between a live site and this one."""
    redactor = Redactor([host])
    question = found.question
    return {
        "fcgiemu": __version__,
        "kind": "compare",
        "request": {
            "method": question.method,
            "url": redactor.text(live + question.target),
            "headers": redactor.headers(question.headers),
        },
        "differences": [
            {
                "aspect": difference.aspect,
                "live": redactor.text(difference.live),
                "local": redactor.text(difference.local),
            }
            for difference in found.differences
        ],
        "live": _answer(found.live, redactor),
        "local": _answer(found.local, redactor),
        "cause": {"words": found.cause.description, "place": found.cause.place or None},
        "rules": list(found.rules),
        "configuration": rules_of(site, found.cause.place, redactor),
    }


def _answer(answer: LiveAnswer, redactor: Redactor) -> dict[str, Any]:
    if answer.error:
        return {"error": answer.error}
    return {
        "status": answer.status,
        "headers": redactor.headers(answer.headers),
        "body": {
            "bytes": len(answer.body),
            "sha256": hashlib.sha256(answer.body).hexdigest(),
        },
    }


def rules_of(site: Site, place: str, redactor: Redactor) -> list[str]:
    """The lines of the element that begins at ``place`` (file:line), as far as it is short."""
    file, _, number = place.rpartition(":")
    if not file or not number.isdecimal():
        return []
    try:
        lines = Path(site.local_path("/" + file)).read_text("utf-8-sig", "replace").splitlines()
    except OSError:
        return []
    shown: list[str] = []
    for line in lines[int(number) - 1 : int(number) - 1 + _MAX_LINES]:
        shown.append(line)
        if "</rule>" in line:
            break
    return redactor.configuration(shown)


def write(path: Path, case: dict[str, Any]) -> None:
    """A case as a file. Raises OSError."""
    path.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n", "utf-8", "replace")
