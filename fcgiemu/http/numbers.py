"""Numbers that come from outside: the one function that reads them, with a bound on what they cost.

Python's ``int`` takes signs, blanks, underscores and the digits of every script, takes quadratic
time for long ones, and raises beyond 4,300 digits. None of that may depend on a client, an
application or a back end.
"""

from __future__ import annotations

#: The largest length that can be told: what fits into 63 bits.
MAX_LENGTH = (1 << 63) - 1
MAX_PORT = 65535


def bounded(text: str | bytes, largest: int) -> int | None:
    """A decimal number of ASCII digits alone, zeros before it allowed; None for anything else, and
    for what is larger than ``largest``.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip(b"0" if isinstance(text, bytes) else "0")  # type: ignore[arg-type]
    if len(digits) > len(str(largest)):
        return None
    number = int(digits or "0")
    return number if number <= largest else None
