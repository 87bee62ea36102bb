"""What of a scriptProcessor says that Microsoft's wfastcgi answers."""

from __future__ import annotations

import re
from functools import lru_cache

_SCRIPT = re.compile(r"(?:^|[\\/])wfastcgi\.py$", re.IGNORECASE)


def split_arguments(arguments: str) -> list[str]:
    """The arguments of a scriptProcessor, quotation marks removed."""
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', arguments)]


@lru_cache(maxsize=64)
def is_wfastcgi(processor: str) -> bool:
    """Whether a scriptProcessor runs wfastcgi.py, by path or as a module."""
    given = split_arguments(processor.partition("|")[2])
    return given[-2:] == ["-m", "wfastcgi"] or any(_SCRIPT.search(word) for word in given)
