"""``make bench``: the same application behind every server that is installed, then the parts on
their own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import cost, decide, saves, workers
from .load import BROWSER, Load, measure
from .neighbours import SERVERS, STATIC_ONLY, environment, interpreter

SAMPLE = Path(__file__).parents[2] / "samples" / "hello"
SECONDS = 3.0
#: What is measured, its target (``#`` = another number each time), headers, connections.
CASES: tuple[tuple[str, str, Mapping[str, str], tuple[int, ...]], ...] = (
    ("dynamic", "/x", {}, (1, 16, 64)),
    ("dynamic, unique URLs", "/x?n=#", {}, (16,)),
    ("dynamic, browser", "/x", BROWSER, (16,)),
    ("static 1 KB", "/static/1k.txt", {}, (16,)),
    ("static 1 MB", "/static/1m.txt", {}, (16,)),
)


def first_answer(port: int) -> float:
    """Seconds until ``/`` answers 200."""
    started = time.perf_counter()
    while b" 200 " not in ask(port).split(b"\r\n", 1)[0]:
        if time.perf_counter() - started > 15:
            raise RuntimeError("never answers 200")
        time.sleep(0.005)
    return time.perf_counter() - started


def ask(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            parts = []
            while part := sock.recv(65536):
                parts.append(part)
            return b"".join(parts)
    except OSError:
        return b""


def save_to_answer(site: Path, port: int) -> float:
    """Median of five: seconds from saving app.py to the answer of the new code."""
    app = site / "app.py"
    text = app.read_text()
    taken = []
    for number in range(5):
        started = time.perf_counter()
        app.write_text(text.replace("Hello from", f"Hello {number} from"))
        while b"Hello %d from" % number not in ask(port):
            time.sleep(0.001)
        taken.append(time.perf_counter() - started)
    app.write_text(text)
    return sorted(taken)[2]


def main() -> None:
    table: dict[str, dict[str, Load]] = {}
    extra: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        shutil.copytree(SAMPLE, site, ignore=shutil.ignore_patterns("env", "__pycache__"))
        for path in (Path(folder), site):
            path.chmod(0o755)
        (site / "static" / "1k.txt").write_text("x" * 1024)
        (site / "static" / "1m.txt").write_text("x" * (1 << 20))
        for name, server in SERVERS.items():
            try:
                started = time.perf_counter()
                with server(site) as port:
                    first_answer(port)
                    extra.append(
                        f"{name}: start to first answer {time.perf_counter() - started:.2f} s"
                    )
                    for case, target, headers, connections in CASES:
                        if name in STATIC_ONLY and case.startswith("dynamic"):
                            continue
                        for count in connections:
                            table.setdefault(f"{case}, {count} connections", {})[name] = measure(
                                port, target, count, SECONDS, headers
                            )
                    if name == "fcgiemu":
                        extra.append(
                            f"{name}: save to new answer {save_to_answer(site, port) * 1e3:.0f} ms (median of 5)"
                        )
            except (FileNotFoundError, RuntimeError) as error:
                extra.append(f"{name}: skipped, {error}")
    print(
        f"{'':37}{'server':10}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}   fcgiemu is"
    )
    for case, rows in table.items():
        ours = rows.get("fcgiemu", Load(0, 0, 0, 0)).rate
        for name, row in rows.items():
            ratio = f"{ours / row.rate:.2f} x" if name != "fcgiemu" and row.rate else ""
            print(
                f"{case:37}{name:10}{row.rate:11.0f}{row.p50:9.2f}{row.p99:9.2f}{row.errors:8}   {ratio}"
            )
    print("\n".join(extra))
    saves.main()
    workers.main()
    cost.main()
    decide.main()
    subprocess.run([interpreter(), "-m", "tests.benchmarks.diff"], env=environment(), check=True)


main()
