"""What processes of a site write, and who is told."""

from __future__ import annotations

from collections.abc import Callable

#: Process id, the request it belongs to ("" = none known), one line of text.
Output = Callable[[int, str, str], None]
