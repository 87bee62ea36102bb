"""Where a process of the site listens: a TCP port, or a Unix socket for a named pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ...programs.ports import free_port, stranger_on

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


class Address(Protocol):
    """A place to listen. Its text is a part of a sentence: "port 5000"."""

    @property
    def value(self) -> str:
        """What the process is told of it, in a variable of its environment."""

    async def connect(self, protocol: Callable[[], _P]) -> _P:
        """A connection to who listens. Raises OSError."""

    def stranger(self, session: int, marks: Collection[str]) -> int:
        """The process that listens here and is neither of the session nor has all ``marks``, texts
        ``NAME=value``, in its environment; 0 where there is none.
        """

    def release(self) -> None:
        """The process that was told of it has ended."""


@dataclass(frozen=True, slots=True)
class TcpPort:
    """A port of 127.0.0.1: who listens on ``::1`` only is not found (measured)."""

    number: int

    @classmethod
    def free(cls) -> TcpPort:
        """A port that nobody listens on now."""
        return cls(free_port())

    def __str__(self) -> str:
        return f"port {self.number}"

    @property
    def value(self) -> str:
        return str(self.number)

    async def connect(self, protocol: Callable[[], _P]) -> _P:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(protocol, "127.0.0.1", self.number))[1]

    def stranger(self, session: int, marks: Collection[str]) -> int:
        return stranger_on(self.number, session, marks)

    def release(self) -> None:
        """Nothing is left of it."""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A file that the process makes by listening on it; nobody else knows its name."""

    path: str

    def __str__(self) -> str:
        return f"the socket {self.path}"

    @property
    def value(self) -> str:
        return self.path

    async def connect(self, protocol: Callable[[], _P]) -> _P:
        loop = asyncio.get_running_loop()
        return (await loop.create_unix_connection(protocol, self.path))[1]

    def stranger(self, session: int, marks: Collection[str]) -> int:
        return 0

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path)
