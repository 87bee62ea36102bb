"""The Date of responses, made once a second."""

from __future__ import annotations

import time
from email.utils import formatdate

_second = 0
_text = b""


def date() -> bytes:
    """Now, as a Date field has it (RFC 9110, 6.6.1)."""
    global _second, _text
    second = int(time.time())
    if second != _second:
        _second, _text = second, formatdate(second, usegmt=True).encode()
    return _text
