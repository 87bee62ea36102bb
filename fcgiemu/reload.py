"""watchdog -> "these workers are stale", "this configuration is stale": which names of files
restart processes, as data, and the strategy as one class.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchdog import events
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from .files import UNWATCHED

#: wfastcgi's default for WSGI_RESTART_FILE_REGEX.
RESTART_REGEX = r".*((\.py)|(\.config))$"
#: Seconds within which a touched file must be reported, else the folder is polled.
SELF_TEST_SECONDS = 1.0
POLL_SECONDS = 0.5
#: Seconds that a file which is being written is given to be closed, before it counts as changed.
WRITE_SECONDS = 0.05
#: What counts as a change, a new time stamp among it (``touch``), by whichever event this watchdog
#: has for that; files that
#: are only read do not.
_CHANGES: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
    *filter(None, [getattr(events, "FileAttribEvent", None)]),
]
_SELF_TEST = ".fcgiemu-watch-"


def is_ignored(relative: str) -> bool:
    """Whether a path (relative to the site) lies in a folder that is not watched."""
    parts = relative.split("/")
    return any(part in UNWATCHED or part == ".fcgiemu" for part in parts) or parts[-1].startswith(
        _SELF_TEST
    )


def restart_pattern(setting: str | None) -> re.Pattern[str] | None:
    """WSGI_RESTART_FILE_REGEX compiled: absent = the default, empty = never. Raises re.error."""
    if setting is None:
        setting = RESTART_REGEX
    return re.compile(setting) if setting else None


def restarts(relative: str, pattern: re.Pattern[str] | None) -> bool:
    """Whether a change of this file restarts workers: the path with backslashes, from its start,
    case-sensitive.
    """
    return pattern is not None and pattern.match(relative.replace("/", "\\")) is not None


#: Files beside those of WSGI_RESTART_FILE_REGEX that restart workers here, unless somebody names
#: others: frameworks keep templates that they have read.
RELOAD_ALSO = ("**/templates/**",)


def also_pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    """Globs as one pattern for paths relative to an application; None for none. ``**`` is any
    number of folders, case does not count.
    """
    texts = [_regex(glob.strip().lstrip("/")) for glob in globs if glob.strip()]
    return re.compile("|".join(texts), re.IGNORECASE) if texts else None


def _regex(glob: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "(?:" + "".join(words.get(part, re.escape(part)) for part in parts) + r")\Z"


def plan(root: Path) -> list[tuple[Path, bool]]:
    """Folders to watch, and whether with all below: excluded folders and what lies on the way to
    them stay apart.
    """
    watches: list[tuple[Path, bool]] = []
    if not _plan(root, watches):
        watches = [(root, True)]
    return watches


def _plan(folder: Path, watches: list[tuple[Path, bool]]) -> bool:
    """Add watches for ``folder``; False where one recursive watch suffices (nothing was added)."""
    children = list(_folders(folder))
    excluded = any(is_ignored(child.name) for child in children)
    start = len(watches)
    clean: list[Path] = []
    for child in children:
        if not is_ignored(child.name) and not _plan(child, watches):
            clean.append(child)
    if not excluded and len(watches) == start:
        return False
    watches += [(child, True) for child in clean]
    watches.append((folder, False))
    return True


def _folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


class Watcher:
    """Calls ``changed(relative path, is folder)`` from a thread of its own whenever something of
    the site changes.
    """

    def __init__(self, root: Path, changed: Callable[[str, bool], None]) -> None:
        self.root = root
        self.polling = False
        self._changed = changed
        self._observer: BaseObserver = Observer()
        self._seen = threading.Event()
        #: Files that are being written, as far as is known.
        self._written: dict[str, threading.Timer] = {}

    def start(self) -> None:
        """Watch; where native events do not arrive (some network and container mounts), poll."""
        try:
            self._schedule(self._observer)
            self._observer.start()
            if self._events_arrive():
                return
        except OSError:
            pass  # too many watches, or none available
        self._stop(self._observer)
        self.polling = True
        self._observer = PollingObserver(timeout=POLL_SECONDS)
        self._schedule(self._observer)
        self._observer.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop(self._observer)

    @staticmethod
    def _stop(observer: BaseObserver) -> None:
        observer.unschedule_all()
        if observer.is_alive():
            observer.stop()
            observer.join()

    def _schedule(self, observer: BaseObserver) -> None:
        handler = _Handler(self)
        for folder, recursive in plan(self.root):
            observer.schedule(handler, str(folder), recursive=recursive, event_filter=_CHANGES)

    def _events_arrive(self) -> bool:
        try:
            with tempfile.NamedTemporaryFile(prefix=_SELF_TEST, dir=self.root):
                return self._seen.wait(SELF_TEST_SECONDS)
        except OSError:
            return True  # a folder we may not write to cannot be tested

    def event(self, event: FileSystemEvent) -> None:
        """One event of watchdog."""
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if not path:
                continue
            relative = os.path.relpath(os.fsdecode(path), self.root).replace(os.sep, "/")
            if os.path.basename(relative).startswith(_SELF_TEST):
                self._seen.set()
                return
            if relative.startswith("..") or is_ignored(relative):
                continue
            if event.is_directory and event.event_type == "created":
                self._watch_new(Path(os.fsdecode(path)))
            if event.event_type == "modified" and self._tells_closing:
                self._wait_for_end(relative)
            else:
                self._tell(relative, event.is_directory)

    @property
    def _tells_closing(self) -> bool:
        return sys.platform == "linux" and not self.polling

    def _wait_for_end(self, relative: str) -> None:
        """A file is being written: it is told of when it is closed, which is a moment later in most
        cases. Before that it may be empty, and would have to be loaded twice.
        """
        if relative not in self._written:
            timer = threading.Timer(WRITE_SECONDS, self._tell, (relative, False))
            timer.daemon = True
            self._written[relative] = timer
            timer.start()

    def _tell(self, relative: str, is_folder: bool) -> None:
        timer = self._written.pop(relative, None)
        if timer is not None:
            timer.cancel()
        self._changed(relative, is_folder)

    def _watch_new(self, folder: Path) -> None:
        """A folder made below one that is watched without what lies below it."""
        watched = {watch.path: watch.is_recursive for watch in self._observer._watches}
        if any(watched.get(str(parent)) for parent in folder.parents):
            return
        with contextlib.suppress(OSError):
            self._observer.schedule(
                _Handler(self), str(folder), recursive=True, event_filter=_CHANGES
            )


class _Handler(FileSystemEventHandler):
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def dispatch(self, event: FileSystemEvent) -> None:
        self._watcher.event(event)
