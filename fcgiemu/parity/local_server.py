"""``fcgiemu serve`` as the local side of a comparison: a process of its own on a free port."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from .. import posix
from ..errors import SiteError

_READY_SECONDS = 60
_STOP_SECONDS = 15


class LocalSite:
    """A context manager: ``url`` is where the site answers. Raises SiteError where it does not
    start.
    """

    def __init__(self, folder: Path, options: Sequence[str], https: bool) -> None:
        self._folder = folder
        self._options = [*options, *(["--https"] if https else [])]
        self._lines: deque[str] = deque(maxlen=50)
        self._ready = threading.Event()
        self.url = ""

    def __enter__(self) -> LocalSite:
        command = [sys.executable, "-m", "fcgiemu", "serve", str(self._folder)]
        command += ["--port", "0", "--no-reload", *self._options]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **posix.apart(),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(_READY_SECONDS) or not self.url:
            self.__exit__()
            raise SiteError(
                f"The site in {self._folder} does not start here:\n{''.join(self._lines)}".rstrip(),
                f"See why. Run: fcgiemu serve {shlex.quote(str(self._folder))}",
            )
        return self

    def _read(self) -> None:
        """Keep the last lines; wake the waiting thread when the site answers or the process
        ends.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            match = re.search(r"listening +(https?://\S+:\d+)/", line)
            if match and not self.url:
                self.url = match[1]
                self._ready.set()
        self._ready.set()

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(posix.ASK)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            posix.signal_group(self._process.pid, posix.KILL)
            self._process.wait()
        self._reader.join(_STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
