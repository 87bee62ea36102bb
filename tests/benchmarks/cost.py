"""What a request costs: processor time of the front and of the workers, for the ten-line sample and
for frameworks.

On Linux only: the kernel's own accounting of each process is read. Ratios hold where the machine is
noisy, times do not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ..sites import make_env
from .load import from_another_process
from .neighbours import free_port, wait_for

SAMPLES = Path(__file__).parents[2] / "samples"
#: Sample, target, options of serve.
CASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("hello", "/x", ()),
    ("hello", "/#", ()),
    ("hello", "/x", ("--worker", "wfastcgi")),
    ("bottle", "/you", ()),
    ("flask", "/", ()),
    ("django", "/about/", ()),
)
SECONDS = 3.0


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return found + [below for child in found for below in children(child)]


def measure(site: Path, target: str, options: Sequence[str]) -> tuple[float, float]:
    """Microseconds a request of the front, and of its one worker."""
    port = free_port()
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fcgiemu",
            "serve",
            str(site),
            "--port",
            str(port),
            "--workers",
            "1",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, server)
        from_another_process(port, target, 16, 1)
        workers = children(server.pid)
        before = processor_seconds(server.pid), sum(map(processor_seconds, workers))
        requests = from_another_process(port, target, 16, SECONDS).rate * SECONDS
        after = processor_seconds(server.pid), sum(map(processor_seconds, workers))
        return ((after[0] - before[0]) / requests * 1e6, (after[1] - before[1]) / requests * 1e6)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    if not Path(f"/proc/{os.getpid()}/task").is_dir():
        return
    packages = Path(sysconfig.get_paths()["purelib"])
    print(
        "processor time of a request, µs: front, worker, front / worker (16 connections, one worker)"
    )
    for name, target, options in CASES:
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder, name)
            shutil.copytree(
                SAMPLES / name, site, ignore=shutil.ignore_patterns("env", "__pycache__")
            )
            make_env(site, packages)
            time.sleep(0.1)  # files that have just been written count as changing
            front, worker = measure(site, target, options)
        print(
            f"  {' '.join((name, target, *options)):28} {front:6.0f} {worker:6.0f}   {front / worker:.2f}"
        )


if __name__ == "__main__":
    main()
