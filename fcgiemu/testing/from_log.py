"""A file of expectations from what is asked most in a log."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from ..errors import SiteError
from ..logs.deciding import ALIKE, shown_url
from ..logs.entry import Keyed
from ..logs.listing import requests
from ..logs.log_masking import masked
from ..logs.run import Options
from ..site import Site
from ..version import DOCUMENTATION
from .client import Client
from .coverage import expectation_line


def expectations(site: Site, names: Iterable[str], top: int, options: Options | None = None) -> str:
    """Expectations that hold now, for the ``top`` URLs of logs. Raises SiteError.

    URLs with a token or an e-mail address in them are left out. Where the log shows another status,
    that is said.
    """
    with requests(names, options) as (asked, facts):
        found = heapq.nsmallest(
            top,
            (
                (-sum(count for _, count in statuses), key, statuses)
                for key, statuses in asked
                if masked(shown_url(key)) == shown_url(key)
            ),
        )
    if not found:
        problem = next(iter(facts.named()), None)
        raise SiteError(f"There is no request in the log. {problem or ''}".rstrip())
    lines = [
        f"# The {len(found)} URLs that are asked most in the log, and what this site does with"
        f" them now (how: {DOCUMENTATION}test.md)."
    ]
    client = Client(site)
    for negative, key, statuses in found:
        lines += _lines(client, key, -negative, statuses)
    return "\n".join(lines) + "\n"


def _lines(
    client: Client, key: Keyed, count: int, statuses: list[tuple[int, int]]
) -> Iterator[str]:
    """An expectation, after what the log says of the URL."""
    query = f"?{key.query}" if key.query else ""
    scheme = "https" if key.port == "443" else "http"
    port = "" if key.port in ("80", "443") else f":{key.port}"
    answer = client.open(
        f"{scheme}://{key.host or 'localhost'}{port}{key.target}{query}", key.method
    )
    yield ""
    yield f"# {count} requests{_otherwise(answer.status, statuses)}"
    yield expectation_line(answer)


def _otherwise(predicted: int | None, statuses: list[tuple[int, int]]) -> str:
    """What the log shows that is not predicted."""
    if predicted is None:
        return ""
    others = [
        f"{status} ({count} times)"
        for status, count in statuses
        if status and ALIKE.get(status, status) != predicted
    ]
    return f"; the log shows {', '.join(others)}" if others else ""
