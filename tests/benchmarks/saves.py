"""From a saved file to the new code's answer, for the Flask and Django samples: with an interpreter
that stands by, and without.
"""

from __future__ import annotations

import shutil
import socket
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

from fcgiemu.testing.server import LiveServer

SAMPLES = Path(__file__).parents[2] / "samples"
#: Sample -> the file that is saved, and what stands in it.
SAVED = {"flask": ("notes.py", "IIS hands over"), "django": ("mysite/urls.py", "Django behind")}
ROUNDS = 8
#: Seconds between an answer and the next save: a person who types needs longer.
PAUSE = 1.5


def make_env(site: Path) -> None:
    """An environment whose packages are those of this one."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(site / "env")
    folder = next((site / "env" / "lib").glob("python*")) / "site-packages"
    folder.rmdir()
    folder.symlink_to(sysconfig.get_path("purelib"))


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def seconds(site: Path, name: str, text: str, *options: str) -> list[float]:
    """How long each of ROUNDS saves took to be seen."""
    path = site / name
    before = path.read_text()
    taken = []
    with LiveServer(site, options) as server:
        ask(server.port)
        for number in range(ROUNDS):
            time.sleep(PAUSE)
            new = f"{text} ({number})"
            started = time.perf_counter()
            path.write_text(before.replace(text, new))
            while new.encode() not in ask(server.port):
                if time.perf_counter() - started > 20:
                    raise RuntimeError(f"the new {name} is never seen:\n{server.log()}")
            taken.append(time.perf_counter() - started)
    path.write_text(before)
    return taken


def main() -> None:
    print(f"save to new answer, ms (median of {ROUNDS}): standing by, --no-standby")
    for sample, (name, text) in SAVED.items():
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder, "site")
            shutil.copytree(
                SAMPLES / sample, site, ignore=shutil.ignore_patterns("env", "__pycache__")
            )
            make_env(site)
            try:
                ahead, without = (
                    median(seconds(site, name, text, *options)) * 1e3
                    for options in ((), ("--no-standby",))
                )
                print(f"  {sample:8}{ahead:6.0f}{without:6.0f}")
            except (AssertionError, RuntimeError) as error:
                print(f"  {sample:8}skipped, {error}")


if __name__ == "__main__":
    main()
