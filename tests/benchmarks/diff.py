"""``fcgiemu diff`` over a W3C log of a million lines, on one core: lines a second and memory."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from fcgiemu import Settings, Site, diff

LINES = 1_000_000
FLASK = Path(__file__).parents[2] / "samples" / "flask"


def log(lines: int) -> Iterator[str]:
    """Lines as a shop's log has them, made hard: some pages are asked often, half of the URLs never
    again.
    """
    yield "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status time-taken\n"
    draw = random.Random(1)
    for number in range(lines):
        page = number if number % 2 == 0 else int(draw.paretovariate(0.5)) % 200_000
        stem = "/static/site.css" if number % 7 == 0 else f"/shop/item/{page}"
        yield f"2026-11-22 10:00:00 10.0.0.4 GET {stem} {'-' if number % 3 else 'ref=mail'} 443 - 203.0.113.7 Mozilla/5.0 200 31\n"


def main() -> None:
    for lines in (LINES // 10, LINES):
        report = diff.Report()
        old, new = Site(FLASK), Site(FLASK, Settings(strict=True))
        started = time.perf_counter()
        diff.compare(old, new, diff.from_log(log(lines), report), report)
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"diff: {lines:9} lines at {lines / seconds:7.0f} lines/s, {memory} MB at most")


if __name__ == "__main__":
    main()
