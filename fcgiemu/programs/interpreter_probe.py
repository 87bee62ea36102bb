"""Running a site's interpreter once, to see what it makes of a handler or a module; nothing that it
starts is left.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from .. import posix
from ..fastcgi.process import Launch
from ..lifeline import Lifeline, guarded

#: Seconds that loading may take.
SECONDS = 60.0


class Ended(NamedTuple):
    """How a program ended: ``code`` is None where it had to be ended after SECONDS."""

    code: int | None
    output: str


def probe(launch: Launch, folder: str) -> tuple[dict[str, Any] | None, Ended]:
    """What worker/probe.py says of the handler of the site in ``folder``, None where it comes to no
    answer.
    """
    ended = run(launch.command, {**launch.environment, "FCGIEMU_PROBE": folder}, launch.directory)
    answer = re.search(r"^\x1e(.*)$", ended.output, re.MULTILINE)
    return json.loads(answer[1]) if answer else None, ended


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], folder: str | Path
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A program and the file of what it prints; it ends, with all it has started, on leaving the
    block. Raises OSError where it cannot be started.
    """
    lifeline = Lifeline()
    with tempfile.TemporaryFile() as output:  # no pipe, which its children would keep open
        try:
            process = subprocess.Popen(
                guarded(tuple(command)),
                env={**environment, **lifeline.environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **posix.apart((lifeline.theirs,)),
            )
            lifeline.holds(process.pid)
        except OSError:
            lifeline.cut()
            raise
        finally:
            lifeline.passed()
        try:
            yield process, output
        finally:
            lifeline.cut()
            process.wait()
            posix.signal_group(process.pid, posix.KILL)


def run(command: Sequence[str], environment: Mapping[str, str], folder: str | Path) -> Ended:
    """Run a program to its end. Raises OSError where it cannot be started."""
    with started(command, environment, folder) as (process, output):
        try:
            code: int | None = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        output.seek(0)
        return Ended(code, output.read().decode("utf-8", "replace"))
