"""The ports that the processes of a session listen on, where the system tells (Linux: /proc)."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

_PROC = Path("/proc")
#: The state of a listening socket in /proc/net/tcp.
_LISTEN = "0A"


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def stranger_on(port: int, session: int, marks: Collection[str]) -> int:
    """The process that listens on ``port`` and is neither of the session nor has all ``marks`` in
    its environment, as what left the session has; 0 where there is none, or it cannot be told.
    """
    inodes = {inode for listening, inode in _listening() if listening == port}
    if not inodes or any(inodes & set(_sockets(process)) for process in _processes(session)):
        return 0
    for process in _PROC.glob("[0-9]*"):
        if inodes & set(_sockets(process)) and not _has(process, marks):
            return int(process.name)
    return 0


def _has(process: Path, marks: Collection[str]) -> bool:
    try:
        given = (process / "environ").read_bytes().split(b"\0")
        return all(os.fsencode(mark) in given for mark in marks)
    except OSError:
        return True  # it cannot be told


def listening_ports(session: int) -> list[int]:
    """The TCP ports that processes of a session listen on; none where that cannot be told."""
    inodes = {inode for process in _processes(session) for inode in _sockets(process)}
    if not inodes:
        return []
    return sorted({port for port, inode in _listening() if inode in inodes})


def _processes(session: int) -> Iterator[Path]:
    for entry in _PROC.glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if len(fields) > 3 and fields[3] == str(session):
            yield entry


def _sockets(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # it has been closed meanwhile
            if match := re.match(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                yield match[1]


def _listening() -> Iterator[tuple[int, str]]:
    """(port, inode) of every listening socket."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text("ascii", "replace").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                yield int(fields[1].rpartition(":")[2], 16), fields[9]
