"""``fcgiemu serve`` as a subprocess: port 0, readiness from its own output, the log kept for
failures.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from .. import posix
from ..lifeline import Lifeline

#: A failed test shows its own lines, not these.
__tracebackhide__ = True

#: Seconds in which a loaded machine starts a server or answers, and in which it ends one.
READY_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True)
class Response:
    """A response: status, reason, headers by lower-case name, body."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


class LiveServer:
    """A context manager; ``get`` and friends ask it over real HTTP.

    ``options`` are those of ``fcgiemu serve``; keywords are fields of Settings. Raises
    AssertionError, with the server's log, where it does not start or does not end.
    """

    started: ClassVar[list[LiveServer]] = []
    #: What runs fcgiemu.
    program: ClassVar[Sequence[str]] = (sys.executable, "-m", "fcgiemu")

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self._lines = threading.Condition()
        self._output: list[str] = []
        lifeline = self._lifeline = Lifeline()  # a killed test process takes the server along
        self.process = subprocess.Popen(
            [
                *self.program,
                "serve",
                str(folder),
                "--port",
                "0",
                *options,
                *_options(settings),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {}), **lifeline.environment},
            **posix.apart((lifeline.theirs,)),
        )
        lifeline.holds(self.process.pid)
        lifeline.passed()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.port = 0

    def __enter__(self) -> LiveServer:
        LiveServer.started.append(self)
        self._reader.start()
        line = self.wait_for(r"listening +https?://\S+:(\d+)/")
        self.port = int(line[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, number: int = posix.ASK) -> int:
        """End the server and return its exit code; kills it, and fails, where it does not end by
        itself.
        """
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            posix.signal_group(self.process.pid, posix.KILL)
            self.process.wait()
            raise AssertionError(
                f"the server did not end within {STOP_SECONDS} s:\n{self.log()}"
            ) from None
        finally:
            self._lifeline.cut()
            self._reader.join(STOP_SECONDS)
            assert self.process.stdout is not None
            self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._lines:
                self._output.append(line)
                self._lines.notify_all()
        with self._lines:
            self._output.append("")
            self._lines.notify_all()

    def log(self, begin: int = 0) -> str:
        """Everything the server has printed, from line number ``begin`` on."""
        return "".join(self._output[begin:])

    def wait_for(self, pattern: str, after: int = 0) -> re.Match[str]:
        """The first line (from number ``after`` on) that matches, waiting for it."""
        found: re.Match[str] | None = None

        def look() -> bool:
            nonlocal found
            found = next(
                filter(None, (re.search(pattern, line) for line in self._output[after:])), None
            )
            return found is not None or self._output[-1:] == [""]

        with self._lines:
            self._lines.wait_for(look, READY_SECONDS)
        assert found is not None, f"no line matches {pattern!r}:\n{self.log()}"
        return found

    @property
    def line_count(self) -> int:
        return len(self._output)

    # -- asking ------------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """A raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), READY_SECONDS)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, return everything until the server closes the connection."""
        with self.connect() as sock:
            sock.sendall(data)
            parts = []
            while part := sock.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        try:
            encoded = quote(target, safe="".join(map(chr, range(33, 127))))  # as a browser sends it
            connection.putrequest(method, encoded, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, response.reason, fields, response.read())
        finally:
            connection.close()

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Response:
        return self.request("GET", target, headers=headers)

    def post(
        self,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        data: object = None,
    ) -> Response:
        """A POST of bytes, or of ``data`` as JSON."""
        if data is not None:
            body = json.dumps(data).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", target, body, headers)

    @property
    def url(self) -> str:
        """The root of the site, for clients of one's own."""
        return f"http://127.0.0.1:{self.port}"


def _options(settings: Mapping[str, Any]) -> Iterator[str]:
    """Fields of Settings as options of the command line."""
    for name, value in settings.items():
        option = "--" + name.replace("_", "-")
        if name == "identity" and value is not None:
            yield from ("--as", value.name)
            for role in value.roles:
                yield from ("--role", role)
        elif name == "path_map":
            for windows, local in value:
                yield from ("--map", f"{windows}={local}")
        elif name == "server_map":
            for server, local in value:
                yield from ("--map-server", f"{server}={local}")
        elif name == "modules":
            for module in value:
                yield from ("--module", module)
        elif value is True:
            yield option
        elif value not in (False, None):
            yield from (option, str(value))
