"""The server of the live tests is the one that users' own tests get."""

from __future__ import annotations

from fcgiemu.testing.server import READY_SECONDS, STOP_SECONDS
from fcgiemu.testing.server import Response as Answer
from fcgiemu.testing.server import Server as LiveServer

__all__ = ["READY_SECONDS", "STOP_SECONDS", "Answer", "LiveServer"]
