"""``fcgiemu check --watch`` as a process: it checks again when a file is saved, and Ctrl-C ends it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..sites import rules, write

RULE = '<rule name="{}"><match url="{}" /><action type="None" /></rule>'
#: Seconds after which a test fails.
PATIENCE = 60.0


@contextmanager
def watching(folder: Path) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """The process, and the lines that it writes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fcgiemu", "check", ".", "--watch"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def until(lines: queue.Queue[str], words: str) -> str:
    """What is written up to a line with these words."""
    seen = ""
    while words not in seen:
        seen += lines.get(timeout=PATIENCE)
    return seen


def test_again_after_a_change_until_ctrl_c(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": rules(RULE.format("first", "^/x"))})
    with watching(tmp_path) as (process, lines):
        assert "'first' never applies" in until(lines, "Ctrl-C ends")
        write(tmp_path, {"web.config": rules(RULE.format("second", "^/y"))})
        assert "'second' never applies" in until(lines, "Ctrl-C ends")
        write(tmp_path, {"web.config": "<configuration"})
        assert "not well-formed" in until(lines, "Ctrl-C ends")
        (tmp_path / "web.config").unlink()
        assert "There is no web.config" in until(lines, "Ctrl-C ends")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in "".join(lines.queue)
