"""What one decision costs: the page's two rules, 50 rules with conditions, 2,000 rules, a large
map, loading.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.site import Site

PAGE = (Path(__file__).parents[2] / "samples" / "azure-page-2015" / "web.config").read_text()


def config(rules: str, more: str = "") -> str:
    return (
        f"<configuration><system.webServer><rewrite>{more}<rules>{rules}</rules></rewrite></system.webServer>"
        "</configuration>"
    )


def plain(count: int) -> str:
    return config(
        "".join(
            f'<rule name="r{number}" stopProcessing="true"><match url="^old/page-{number}(/.*)?$" />'
            f'<action type="Redirect" url="/new/page-{number}{{R:1}}" /></rule>'
            for number in range(count)
        )
    )


def conditional(count: int) -> str:
    return config(
        "".join(
            f'<rule name="r{number}"><match url="^section{number}/(.*)$" /><conditions><add input="{{HTTP_HOST}}" '
            f'pattern="^www\\.example{number}\\.org$" /><add input="{{QUERY_STRING}}" pattern="id=([0-9]+)" /></conditions>'
            f'<action type="Rewrite" url="new{number}/{{R:1}}" /></rule>'
            for number in range(count)
        )
    )


def mapped(count: int) -> str:
    entries = "".join(
        f'<add key="/old/{number}" value="/new/{number}" />' for number in range(count)
    )
    return config(
        '<rule name="map"><match url=".*" /><conditions><add input="{M:{URL}}" pattern="(.+)" /></conditions>'
        '<action type="Redirect" url="{C:1}" /></rule>',
        f'<rewriteMaps><rewriteMap name="M">{entries}</rewriteMap></rewriteMaps>',
    )


def microseconds(work: Callable[[], object], seconds: float = 0.5) -> float:
    """The best of several rounds."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        for _ in range(50):
            work()
        best = min(best, (time.perf_counter() - started) / 50)
    return best * 1e6


def measure(name: str, text: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "web.config").write_text(text)
        site = Site(Path(folder))
        request = make_request(url)
        started = time.perf_counter()
        site.decide(request)
        loading = time.perf_counter() - started
        print(
            f"decide, {name:30}{microseconds(lambda: site.decide(request)):9.1f} us   loading {loading * 1e3:7.1f} ms"
        )


def memory(name: str, text: str, count: int) -> None:
    """Bytes that each of ``count`` entries keeps, and at most takes while they are read."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        site.decide(make_request("/"))
        Path(folder, "web.config").write_text(text)
        tracemalloc.start()
        try:
            site = Site(Path(folder))
            site.decide(make_request("/old/7"))
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        print(f"memory, {name:30}{kept / count:9.0f} bytes each   at most {peak / count:9.0f}")


def locations(count: int) -> str:
    return (
        "<configuration>"
        + "".join(
            f'<location path="place{number}"><system.webServer><directoryBrowse enabled="true" />'
            "</system.webServer></location>"
            for number in range(count)
        )
        + "</configuration>"
    )


def checking(name: str, text: str) -> None:
    """How long ``check`` takes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "web.config").write_text(text)
        site = Site(Path(folder))
        started = time.perf_counter()
        check(site)
        print(f"check, {name:31}{(time.perf_counter() - started) * 1e3:9.1f} ms")


def main() -> None:
    measure("the page's two rules", PAGE, "/a/b?x=1")
    measure("50 rules with conditions", conditional(50), "/nothing/here")
    measure("2,000 rules", plain(2000), "/nothing/here")
    measure("2,000 rules, 4,000 conditions", conditional(2000), "/nothing/here")
    measure("a map of 100 entries", mapped(100), "/old/7")
    measure("a map of 100,000 entries", mapped(100_000), "/old/7")
    memory("a map of 100,000 entries", mapped(100_000), 100_000)
    memory("10,000 rules", plain(10_000), 10_000)
    checking("1,000 <location>", locations(1000))


if __name__ == "__main__":
    main()
