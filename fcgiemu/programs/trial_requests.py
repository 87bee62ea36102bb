"""One request to a site's own program, started for it and ended after it: what does it answer?"""

from __future__ import annotations

import asyncio
import http.client
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO

from .. import posix
from ..fastcgi.cgi import BadHeaders, HeadReader
from ..fastcgi.connection import ConnectionClosed
from ..fastcgi.process import Launch, StartFailed, WorkerProcess
from ..fastcgi.records import ProtocolError
from .interpreter_probe import started
from .ports import listening_ports

#: Seconds that an answer may take.
SECONDS = 60.0
#: Bytes of an answer that are looked at.
MAX_BODY = 1 << 16
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """What a program answered: ``status`` is 0 where it did not; ``errors`` is what it wrote to
    STDERR, or why there is no answer; ``printed`` what it has printed besides.
    """

    status: int
    body: str = ""
    errors: str = ""
    printed: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a program of httpPlatform came up. ``code`` is its exit code, None where it runs;
    ``ports`` are those that it listens on in place of the one that it was given.
    """

    listens: bool
    code: int | None
    output: str
    ports: tuple[int, ...] = ()
    answer: ProgramAnswer | None = None


def ask_fastcgi(launch: Launch, params: bytes, seconds: float = SECONDS) -> ProgramAnswer:
    """Start a FastCGI program and send it one request without a body."""
    return asyncio.run(_ask_fastcgi(launch, params, seconds))


async def _ask_fastcgi(launch: Launch, params: bytes, seconds: float) -> ProgramAnswer:
    worker = WorkerProcess(launch, lambda *_: None)
    try:
        await worker.start()
        connection = worker.connection
        connection.send(params, b"")
        async with asyncio.timeout(seconds):
            await connection.wait(MAX_BODY)
        reader = HeadReader()
        body = reader.feed(connection.take())
        errors = connection.stderr.decode("utf-8", "replace")
        status = reader.finish().status
        worker.kill()
        await worker.wait_exit(2)  # all that it has printed has come then
        return ProgramAnswer(
            status, body.decode("utf-8", "replace"), errors, "\n".join(worker.lines)
        )
    except TimeoutError:
        return ProgramAnswer(0, "", f"there is no answer within {seconds:g} seconds")
    except (StartFailed, BadHeaders, ProtocolError) as error:
        return ProgramAnswer(0, "", str(error))
    except ConnectionClosed:
        code = await worker.wait_exit(2)
        return ProgramAnswer(
            0, "", f"the process ended with exit code {code}: {worker.last_output()}"
        )
    finally:
        await worker.stop()


def try_platform(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    *,
    port: int,
    seconds: float,
    headers: Mapping[str, str],
) -> Trial:
    """Start a program, wait ``seconds`` for it to listen on ``port``, and ask it for ``/``. Raises
    OSError where it cannot be started.
    """
    with started(command, environment, folder) as (process, output):
        return _watched(process, output, port, seconds, {"Host": "localhost", **headers})


def try_pipe(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    path: str,
    seconds: float,
) -> Trial:
    """Start a program, and wait ``seconds`` for it to listen on the Unix socket ``path``. Raises
    OSError where it cannot be started.
    """
    with started(command, environment, folder) as (process, output):
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            with posix.unix_socket() as sock:
                if sock.connect_ex(path) == 0:
                    return Trial(True, None, _said(output))
            time.sleep(_POLL_SECONDS)
        return Trial(False, process.returncode, _said(output))


def _watched(
    process: subprocess.Popen[bytes],
    output: IO[bytes],
    port: int,
    seconds: float,
    headers: Mapping[str, str],
) -> Trial:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if _listens(port):
            answer = _ask_http(port, headers)
            said = _said(output)
            return Trial(True, process.poll(), said, answer=replace(answer, printed=said))
        time.sleep(_POLL_SECONDS)
    ports = tuple(listening_ports(process.pid)) if process.returncode is None else ()
    return Trial(False, process.returncode, _said(output), ports)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _ask_http(port: int, headers: Mapping[str, str]) -> ProgramAnswer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/", headers=dict(headers))
        response = connection.getresponse()
        return ProgramAnswer(response.status, response.read(MAX_BODY).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return ProgramAnswer(0, "", str(error) or repr(error))
    finally:
        connection.close()


def _said(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")
