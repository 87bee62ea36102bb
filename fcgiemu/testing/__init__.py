"""What a project's own tests use: expectations, a client without a socket, the pytest plugin
(``iis_site``, ``iis_server``).
"""

from __future__ import annotations

from .answer import Answer
from .client import Client

__all__ = ["Answer", "Client"]
