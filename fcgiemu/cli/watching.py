"""``--watch``: the same once more whenever a site's files change, until Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..reload import Watcher

#: Seconds in which changes that belong together, such as a checkout, are awaited.
SETTLE_SECONDS = 0.1
#: Seconds after which a wait begins again: where a wait cannot be interrupted, Ctrl-C is seen then.
_TICK_SECONDS = 1.0


class Watching(Protocol):
    """What tells of changes, as reload.Watcher does."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def again(
    root: Path,
    once: Callable[[], None],
    *,
    watcher: Callable[[Path, Callable[[str, bool], None]], Watching] = Watcher,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call ``once``, and again after changes below ``root``, until KeyboardInterrupt. A change that
    comes while ``once`` runs is not lost.
    """
    changed = threading.Event()
    watching = watcher(root, lambda _path, _is_folder: changed.set())
    watching.start()
    try:
        while True:
            changed.clear()
            once()
            while not changed.wait(_TICK_SECONDS):
                pass
            sleep(SETTLE_SECONDS)
    except KeyboardInterrupt:
        return
    finally:
        watching.stop()
