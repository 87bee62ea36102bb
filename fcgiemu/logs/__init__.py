"""Production logs of any size through two versions of a site.

Three steps, each of which can be stopped and taken up again:

count    Lines become different requests with their numbers. Requests are different where a rule of
         either version can tell them apart (inputs.py); a busy site asks the same few over and
         over. Each log, or some small ones, makes one file of counts in 256 sections (store.py).
decide   Each section is decided at both versions, each different request once (deciding.py).
merge    Sections add up to one comparison (results.py), the same for any number of processes,
         machines and parts.

``count``, ``decide`` and ``merge`` do this for programs; ``fcgiemu diff --log`` for people.
"""

from __future__ import annotations

from .comparison import Comparison, merged
from .run import Counted, Options, count, decide

__all__ = ["Comparison", "Counted", "Options", "count", "decide", "merge"]

#: The comparison of the files that ``decide(…, save=…)`` has written on several machines.
merge = merged
