"""A folder for the Unix sockets over which processes are asked: those of FastCGI, and those that
stand for the named pipes of iisnode. It goes with its owner, and where the server was killed, when
the next folder is made: a lock that the system takes back tells which are in use.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from . import posix

_PREFIX = "fcgiemu-sockets-"
_LOCK = "lock"
#: A word that programs look for in what they take for a named pipe.
_INNER = "pipe"
#: Characters of a socket's path: Linux takes 107, macOS 103.
_LONGEST = 103
#: Seconds that another server has to lock what it has made.
_FRESH = 60


class SocketFolder:
    """A private folder, which nobody else can enter; made with it."""

    def __init__(self) -> None:
        for base in (tempfile.gettempdir(), "/tmp"):
            _remove_abandoned(Path(base))
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
            if len(os.fsencode(self.name())) <= _LONGEST:
                break
            self.path.rmdir()
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        posix.lock(self._lock, wait=True)
        (self.path / _INNER).mkdir()

    def name(self) -> str:
        """The path of a socket that is not there yet."""
        return str(self.path / _INNER / str(uuid.uuid4()))

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned(base: Path) -> None:
    """Remove the folders of servers of this user that have ended without doing it."""
    for folder in _old_folders(base):
        with contextlib.suppress(OSError):  # among them: another server holds the lock
            descriptor = os.open(folder / _LOCK, os.O_RDWR | posix.NO_LINK)
            try:
                posix.lock(descriptor, wait=False)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _old_folders(base: Path) -> Iterator[Path]:
    for folder in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if posix.is_ours(found) and time.time() - found.st_mtime > _FRESH:
                yield folder
