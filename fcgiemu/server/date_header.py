"""The Date of responses, made once a second."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache


def date() -> bytes:
    """Now, as a Date field has it (RFC 9110, 6.6.1)."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
