"""Logs that tests write: seeded, with the repetition and the mess that real ones have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

DEFAULT = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
    " cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
).split()
WIDER = [*DEFAULT[:2], "s-sitename", *DEFAULT[2:9], *DEFAULT[9:11], "cs-host", *DEFAULT[11:]]
_STEMS = (
    "/",
    "/old/1",
    "/old/2",
    "/gone",
    "/static/a.css",
    "/app/x",
    "/straße/größe",
    "/100%+wool",
)
_AGENTS = ("Mozilla/5.0+(X11)", "curl/8.0", "Bot/1.0+(+http://bot.example/)")


def w3c(lines: int, seed: int, *, messy: bool = False, marked: bool = False) -> Iterator[bytes]:
    """A W3C log. ``messy``: fields that change, ANSI bytes, fields that were too long, odd lines;
    ``marked``: what ARR appends.
    """
    draw = random.Random(seed)
    names = DEFAULT
    yield f"#Software: IIS\r\n#Fields: {' '.join(names)}\r\n".encode()
    for number in range(lines):
        if messy and number and number % 400 == 0:
            names = WIDER if names is DEFAULT else DEFAULT
            yield f"#Date: 2026-11-22 10:00:00\r\n#Fields: {' '.join(names)}\r\n".encode()
        stem = draw.choice(_STEMS) if draw.random() < 0.7 else f"/item/{draw.randrange(lines)}"
        query = draw.choice(("-", "a=1", f"id={draw.randrange(50)}"))
        if messy and number % 97 == 3:
            query = "..."
        if marked:
            mark = f"X-ARR-CACHE-HIT=0&X-ARR-LOG-ID={number:08x}&SERVER-STATUS=200"
            query = mark if query == "-" else f"{query}&{mark}"
        known = {
            "date": "2026-11-22",
            "cs-method": draw.choice(("GET", "GET", "GET", "POST", "HEAD")),
            "cs-uri-stem": stem,
            "cs-uri-query": query,
            "s-port": draw.choice(("80", "443", "8080")),
            "c-ip": f"203.0.113.{draw.randrange(5)}",
            "cs(User-Agent)": draw.choice(_AGENTS),
            "cs-host": draw.choice(("www.example.org", "Example.org:8080", "-")),
            "sc-status": draw.choice(("200", "301", "304", "404")),
        }
        line = " ".join(known.get(name, "-") for name in names) + "\r\n"
        odd = messy and number % 150 == 7
        yield (line.encode("cp1252") if messy and number // 300 % 2 else line.encode()) + (
            draw.choice((b"cut short\r\n", b"\r\n", b"2026-11-22\t10:00 x\r\n")) if odd else b""
        )


def write_w3c(path: Path, lines: int, seed: int, **mess: bool) -> Path:
    """A W3C log as a file; a messy one ends in the middle of a line."""
    data = b"".join(w3c(lines, seed, **mess))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:-25] if mess.get("messy") else data)
    return path
