"""recycleSignalEnabled of iisnode: an application asks for new processes by writing ``recycle`` to
a pipe whose name it finds in IISNODE_CONTROL_PIPE.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ... import posix

VARIABLE = "IISNODE_CONTROL_PIPE"
_WORD = b"recycle"


class RecycleSignal:
    """The pipe of one application, a Unix socket at ``path``; ``call`` is called when it asks."""

    def __init__(self, path: str, call: Callable[[], object]) -> None:
        self.path = path
        self._call = call
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Begin to listen, once."""
        if self._server is None:
            self._server = await posix.unix_server(self._connected, self.path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(len(_WORD)) == _WORD:
                self._call()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.close()
