"""Bytes that wait: the body of a request until it is whole, and a response that its client has not
read yet. First in memory, then in a temporary file, all of them within one budget.

A spool never refuses what it is given. It says when it has room again, and its writer has to wait
for that: reading from a client or from a back end pauses then, and the timeouts of http.sys and of
the back end decide how long.
"""

from __future__ import annotations

import tempfile
from collections import deque
from typing import IO

from .. import posix

#: Bytes of one spool that are kept in memory.  # our own
MEMORY_BYTES = 1 << 18
#: Bytes of all spools' memory; beyond, everything goes to files.  # our own
ALL_MEMORY_BYTES = 1 << 27
#: Bytes that all spools' files may have together.  # our own
DISK_BUDGET = 1 << 31
#: Bytes of a response that may wait for its client.  # our own
MAX_WAITING_RESPONSE = 1 << 28


class SpoolBudget:
    """What all spools of a server may hold."""

    def __init__(self, disk: int = DISK_BUDGET, memory: int = ALL_MEMORY_BYTES) -> None:
        self.disk = disk
        self.memory = memory
        self.disk_used = 0
        self.memory_used = 0

    @property
    def spent(self) -> bool:
        """Whether nobody may write more."""
        return self.disk_used >= self.disk


class Spool:
    """Bytes in the order in which they came, taken once. ``close`` gives everything back."""

    __slots__ = ("_budget", "_chunks", "_end", "_file", "_start", "in_memory", "limit", "received")

    def __init__(self, budget: SpoolBudget, limit: int | None = None) -> None:
        self._budget = budget
        #: Bytes it may hold before it is full; None = the budget alone decides.
        self.limit = limit
        self._chunks: deque[bytes] = deque()
        self.in_memory = 0
        self._file: IO[bytes] | None = None
        self._start = self._end = 0
        #: Bytes that have been written, whether taken or not.
        self.received = 0

    @property
    def waiting(self) -> int:
        """Bytes that have not been taken."""
        return self.in_memory + self._end - self._start

    @property
    def is_full(self) -> bool:
        """Whether its writer has to wait."""
        return (
            self._budget.spent
            and self._file is not None
            or self.limit is not None
            and self.in_memory + self._end >= self.limit  # a file shrinks only by being dropped
        )

    def write(self, data: bytes) -> None:
        """Add bytes. Raises OSError where the disk takes no more."""
        self.received += len(data)
        budget = self._budget
        if (
            self._file is None
            and self.in_memory + len(data) <= MEMORY_BYTES
            and budget.memory_used < budget.memory
        ):
            self._chunks.append(data)
            self.in_memory += len(data)
            budget.memory_used += len(data)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)
        written = 0
        while written < len(data):
            written += posix.pwrite(self._file.fileno(), data[written:], self._end + written)
        self._end += written
        budget.disk_used += written

    def beginning(self, most: int) -> bytes:
        """The first bytes of what waits in memory, at most so many; they are not taken."""
        return b"".join(self._chunks)[:most]

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many and at least one where there are any."""
        if self._chunks:
            data = self._chunks.popleft()
            if len(data) > most:
                self._chunks.appendleft(data[most:])
                data = data[:most]
            self.in_memory -= len(data)
            self._budget.memory_used -= len(data)
            return data
        if self._file is None:
            return b""
        data = posix.pread(self._file.fileno(), min(most, self._end - self._start), self._start)
        self._start += len(data)
        if self._start >= self._end:
            self._drop_file()
        return data

    def close(self) -> None:
        """Drop what waits."""
        self._budget.memory_used -= self.in_memory
        self._chunks.clear()
        self.in_memory = 0
        self._drop_file()

    def _drop_file(self) -> None:
        if self._file is not None:
            self._budget.disk_used -= self._end
            self._file.close()
            self._file = None
            self._start = self._end = 0
