"""What php-cgi does on Windows only, done for the one that runs here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from ..http.numbers import MAX_LENGTH, bounded
from .limits import Limits

#: After how many requests php-cgi ends by itself: 500 where nothing says otherwise, 0 = never.
_MAX_REQUESTS = "PHP_FCGI_MAX_REQUESTS"
_PROGRAM = re.compile(r"(?:^|[\\/])php[^\\/|]*$", re.IGNORECASE)


@lru_cache(maxsize=64)
def is_php(processor: str) -> bool:
    """Whether a scriptProcessor is PHP's FastCGI program."""
    return _PROGRAM.search(processor.partition("|")[0].strip(' "')) is not None


def path_variables(script: str, path_info: str) -> tuple[tuple[str, str], ...]:
    """PATH_INFO as IIS sends it, with the script's name in front, and as PHP makes it of that on
    Windows.
    """
    if not path_info.startswith(script):
        return (("PATH_INFO", path_info),)
    rest = path_info[len(script) :]
    return ("ORIG_PATH_INFO", path_info), *((("PATH_INFO", rest),) if rest else ())


def limits(known: Limits, environment: Mapping[str, str]) -> Limits:
    """Development's limits: no process is asked again that ends by itself after so many
    requests.
    """
    text = environment.get(_MAX_REQUESTS, "")
    count = bounded(text, MAX_LENGTH)
    if count is None or known.instance_max_requests:
        return known
    return replace(known, instance_max_requests=count)


def environment(known: Limits) -> dict[str, str]:
    """What keeps php-cgi from ending by itself before its instance is recycled."""
    return {_MAX_REQUESTS: str(known.instance_max_requests)}
