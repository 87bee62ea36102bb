"""``fcgiemu diff --log``: lines a second and memory by how much of a log is distinct, packed logs
beside zcat, Dask beside processes.

By the system's interpreter where that can run it (``make bench``): most are built with
optimisations that one compiled in a hurry lacks, which counts for half of the time of deciding.
"""

from __future__ import annotations

import gzip
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fcgiemu import Site
from fcgiemu.logs.run import Options, count, decide, place, together

#: Lines of the log that 12 % are distinct of; the start of workers and of Dask is little beside them.
LINES = 4_000_000
FIELDS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
    " cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
)
#: A rule that reads the query, so that every query decides.
RULES = """<configuration><system.webServer><rewrite><rules>
<rule name="{name}"><match url="^shop/(.*)" /><conditions>
<add input="{{QUERY_STRING}}" pattern="(?:^|&amp;)ref=mail" /></conditions>
<action type="Redirect" url="/{name}/{{R:1}}" /></rule>
<rule name="app" stopProcessing="true"><match url="(.*)" /><conditions>
<add input="{{REQUEST_FILENAME}}" matchType="IsFile" negate="true" /></conditions>
<action type="Rewrite" url="index.html" /></rule>
</rules></rewrite></system.webServer></configuration>"""


def log(path: Path, lines: int, once: float, pages: int) -> None:
    """A W3C log where a share of the lines (``once``) is asked once, the others for ``pages``."""
    draw = random.Random(1)
    weights = [page**-0.9 for page in range(1, pages + 1)]
    known = draw.choices(range(pages), weights, k=lines)
    agent = "Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)+AppleWebKit/537.36"
    with path.open("w") as stream:
        stream.write(f"#Software: IIS\n#Fields: {FIELDS}\n")
        for number in range(lines):
            new = draw.random() < once
            page = f"item/{known[number]}" if not new else "search"
            query = f"q={number}" if new else "-"
            stream.write(
                f"2026-11-22 10:00:00 10.0.0.4 GET /shop/{page} {query} 443 - 203.0.113.7 {agent} -"
                f" 200 0 0 {number % 900}\n"
            )


def measure(folder: Path, name: str, options: Options) -> tuple[float, float, int]:
    """Seconds of counting and deciding, and the different requests."""
    sites = [Site(folder / "old"), Site(folder / "new")]
    with place(options) as work, together(options) as options:
        started = time.perf_counter()
        counted = count([str(folder / name)], sites, work, options)
        middle = time.perf_counter()
        decide(counted, sites[0], sites[1], options)
        return middle - started, time.perf_counter() - middle, counted.rows


def report(words: str, lines: int, seconds: tuple[float, float, int]) -> None:
    """A line of figures."""
    whole = seconds[0] + seconds[1]
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"diff --log: {words:28} {lines / whole:10,.0f} lines/s (counting {seconds[0]:.1f} s,"
        f" deciding {seconds[1]:.1f} s, {seconds[2]:,} different), {peak >> 10} MB at most"
    )


def cases(folder: Path, lines: int) -> Iterator[tuple[str, int, float, int]]:
    """Name, lines, share of lines asked once, pages."""
    yield "12 % distinct", lines, 0.11, lines // 100
    yield "2 % distinct", 2 * lines, 0.0, lines // 25
    yield "every line new", lines // 10, 1.0, 1


def main() -> None:
    options = Options(jobs=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in ("old", "new"):
            (folder / version).mkdir()
            (folder / version / "index.html").touch()
            (folder / version / "web.config").write_text(RULES.format(name=version))
        for words, lines, once, pages in cases(folder, LINES):
            log(folder / "u_ex.log", lines, once, pages)
            jobs = measure(folder, "u_ex.log", options)
            report(words, lines, jobs)
            if words == "12 % distinct":
                _packed(folder, options)
                report(
                    "without DuckDB",
                    lines,
                    measure(folder, "u_ex.log", replace(options, engine="lines")),
                )
                dask = measure(folder, "u_ex.log", replace(options, dask="local"))
                report("Dask, two workers", lines, dask)
                ratio = sum(jobs[:2]) / sum(dask[:2])
                print(f"diff --log: Dask at {ratio:.2f} x the speed of --jobs 2")


def _packed(folder: Path, options: Options) -> None:
    """The same log packed: counting beside zcat."""
    packed = folder / "u_ex.log.gz"
    with (folder / "u_ex.log").open("rb") as plain, gzip.open(packed, "wb", 6) as stream:
        shutil.copyfileobj(plain, stream, 1 << 20)
    started = time.perf_counter()
    subprocess.run(["zcat", str(packed)], stdout=subprocess.DEVNULL, check=True)
    zcat = time.perf_counter() - started
    counting = measure(folder, packed.name, options)[0]
    print(f"diff --log: gz counted at {zcat / counting:.2f} x the speed of zcat ({zcat:.1f} s)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        LINES = int(sys.argv[1])
    main()
