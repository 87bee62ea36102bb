"""The Date of responses, made once a second."""

from __future__ import annotations

import time
from email.utils import formatdate


class DateHeader:
    """Now, as a Date field has it (RFC 9110, 6.6.1)."""

    _second = -1
    _text = b""

    def now(self) -> bytes:
        """The value of the field."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text
