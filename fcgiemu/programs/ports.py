"""The ports that the processes of a session listen on, where the system tells (Linux: /proc)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
#: The state of a listening socket in /proc/net/tcp.
_LISTEN = "0A"


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
        links = [os.readlink(link) for link in (process / "fd").iterdir()]
    except OSError:
        return
    yield from (match[1] for link in links if (match := re.match(r"socket:\[(\d+)\]", link)))


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
