"""The disk as IIS sees it: names compare without case, some names never exist, nothing outside the
site is reached.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from . import posix
from .worker import paths

#: Names Windows cannot have or would change silently: streams, wildcards, devices, a trailing dot
#: or blank.
_NO_SUCH_NAME = re.compile(
    r'[<>:"|?*\x00-\x1f]|[. ](?:/|$)'
    r"|(?:^|/)(?:con|prn|aux|nul|com[1-9]|lpt[1-9]|conin\$|conout\$|clock\$)(?:\.[^/]*)?(?:/|$)",
    re.IGNORECASE,
)
#: Folders that hold no pages of the site and are large: neither watched nor searched for web.config
#: at start.
UNWATCHED = frozenset(
    {
        "env",
        "venv",
        ".venv",
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        "__pycache__",
        ".tox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".idea",
        ".vs",
        "bower_components",
    }
)
#: What changed this recently may change again within its time stamp's resolution: nothing of it is
#: kept.
SETTLED_SECONDS = 0.05


def is_settled(mtime_ns: int) -> bool:
    """Whether the next change of what has this time stamp will show in another one."""
    return time.time() - mtime_ns / 1e9 > SETTLED_SECONDS


#: Where this program keeps things of its own beside a site's files.
OWN_FOLDER = ".fcgiemu"


def make_own_folder(folder: Path) -> None:
    """Make a folder with its parents. If one of them is OWN_FOLDER, git is told to leave that out.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for own in (folder, *folder.parents):
        if own.name == OWN_FOLDER and not (own / ".gitignore").exists():
            (own / ".gitignore").write_text("*\n", encoding="ascii")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """An existing file or directory. ``path`` is absolute; ``size`` in bytes; ``mtime_ns`` since
    1970.
    """

    path: str
    is_directory: bool
    size: int
    mtime_ns: int

    @property
    def is_file(self) -> bool:
        return not self.is_directory


@dataclass(frozen=True, slots=True)
class VirtualDirectory:
    """A folder that stands at a URL path: ``path`` has no trailing slash, "" is the site's root.

    ``windows`` is the folder as server variables show it, ``application`` the path of the
    application it belongs to.
    """

    path: str
    view: FileView
    windows: str
    application: str = ""
    allow_sub_dir_config: bool = True

    @property
    def starts_application(self) -> bool:
        """Whether this is the root folder of an application."""
        return self.path == self.application

    def covers(self, path: str) -> bool:
        """Whether a URL path (lower case) lies in this folder."""
        return path.startswith(self.path.lower()) and path[len(self.path) : len(self.path) + 1] in (
            "",
            "/",
        )


#: Names whose spelling has been told that are known one by one.
MAX_TOLD = 1024

#: A folder's time stamp, and its names: in lower case -> as they are on disk.
Listing = tuple[int, dict[str, str]]


class FileView:
    """Case-insensitive look-ups below one root folder. One ``lstat`` where the spelling is
    exact.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._real_root = os.path.realpath(self.root)
        self._listings: dict[str, Listing] = {}
        self._inside: dict[str, bool] = {}
        self._found: dict[str, FileEntry | None] = {}
        self._remembered = 0
        #: What ``spelled`` has been asked for, in lower case; "" = more than is kept.
        self._told: set[str] = set()

    def remember(self, count: int) -> None:
        """From now on, keep up to ``count`` answers of ``find``: for those who ask often about
        files that do not change.
        """
        self._remembered = count

    def forget(self) -> None:
        """Drop what was remembered of folders, the root among them: it may be another one now."""
        self._real_root = os.path.realpath(self.root)
        self._listings.clear()
        self._found.clear()
        self._inside.clear()

    def find(self, relative: str) -> FileEntry | None:
        """The file or directory at ``relative`` (``/`` separated, "" = the root), or None."""
        if not self._remembered:
            return self._find(relative)
        try:
            return self._found[relative]
        except KeyError:
            if len(self._found) >= self._remembered:
                self._found.clear()
            found = self._found[relative] = self._find(relative)
            return found

    def _find(self, relative: str) -> FileEntry | None:
        relative = relative.strip("/")
        if not relative:
            return self._entry(self.root)
        kept = self._listings.get(self.root)
        if kept is not None and relative.partition("/")[0].lower() not in kept[1]:
            if self.holds(kept):
                return None
        if _NO_SUCH_NAME.search(relative) or not self._plain(relative):
            return None
        if relative.partition("/")[0].lower() == OWN_FOLDER:
            return None  # what stands for parts of the server lies outside of its wwwroot
        path = f"{self.root}/{relative}"
        entry = self._entry(path)
        if entry is None:
            spelled = self._spelling(relative)
            entry = self._entry(spelled) if spelled else None
        return entry

    def has_still(self, relative: str, entry: FileEntry) -> bool:
        """Whether ``find`` would answer with an entry that it has found before: one look at the
        file
        where its name is spelled as on disk, since an exact name comes before all others.
        """
        path = entry.path
        if self._remembered or path != f"{self.root}/{relative.strip('/')}":
            return self.find(relative) == entry
        try:
            info = os.lstat(path)
        except OSError:
            return False
        if info.st_mtime_ns != entry.mtime_ns or info.st_size != entry.size:
            return False
        return stat.S_ISREG(info.st_mode) or self.find(relative) == entry

    def absent_while(self, relative: str) -> Listing | None:
        """Nothing is at ``relative`` while this listing of the root ``holds``; None where there is
        no such one.

        Most URLs of a program are not files: the first name is not in the listing.
        """
        kept = self._listings.get(self.root)
        return (
            None
            if kept is None or not relative or relative.partition("/")[0].lower() in kept[1]
            else kept
        )

    def holds(self, listing: Listing) -> bool:
        """Whether a listing is still that of the root."""
        try:
            return (
                listing is self._listings.get(self.root)
                and os.stat(self.root).st_mtime_ns == listing[0]
            )
        except OSError:
            return False

    def contains(self, path: str) -> bool:
        """Whether an absolute path, links followed, lies in the root."""
        return self._below(os.path.realpath(path))

    def folder(self, path: str) -> str | None:
        """The real path of a folder at an absolute path, None where it is none or lies outside the
        root.
        """
        real = os.path.realpath(path)
        return real if self._below(real) and os.path.isdir(real) else None

    def relative(self, entry: FileEntry) -> str:
        """The entry's path below the root, ``/`` separated, as spelled on disk."""
        return entry.path[len(self.root) :].lstrip("/")

    def read(self, entry: FileEntry, limit: int) -> bytes | None:
        """The content of a file that was found; None where it cannot be read, is longer than
        ``limit`` bytes, or is not a regular file any more (nothing here waits for a FIFO).
        """
        try:
            data = read_bounded(entry.path, limit + 1)
        except OSError:
            return None
        return data if len(data) <= limit else None

    @staticmethod
    def _plain(relative: str) -> bool:
        return ".." not in relative or ".." not in relative.split("/")

    def _entry(self, path: str) -> FileEntry | None:
        try:
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                if not self._below(os.path.realpath(path)):
                    return None
                info = os.stat(path)
        except (OSError, ValueError):
            return None
        directory = stat.S_ISDIR(info.st_mode)
        if not directory and not stat.S_ISREG(info.st_mode):
            return None
        if not self._folder_inside(path if directory else os.path.dirname(path)):
            return None
        return FileEntry(path, directory, info.st_size, info.st_mtime_ns)

    def _folder_inside(self, folder: str) -> bool:
        inside = self._inside.get(folder)
        if inside is None:
            if len(self._inside) > 4096:
                self._inside.clear()
            inside = self._inside[folder] = self._below(os.path.realpath(folder))
        return inside

    def _below(self, real: str) -> bool:
        return real == self._real_root or real.startswith(self._real_root + os.sep)

    def _spelling(self, relative: str) -> str | None:
        """The path on disk that equals ``relative`` but for case; the first in byte order where
        several do.
        """
        path = self.root
        for segment in relative.split("/"):
            name = self.listing(path).get(segment.lower())
            found = f"{path}/{name}" if name is not None else self._packages(path, segment)
            if found is None:
                return None
            path = found
        return path

    def spelled(self, relative: str) -> str:
        """The absolute path of what is at ``relative``, as far as it exists in the spelling on
        disk.
        """
        path = f"{self.root}{relative}"
        self._told.add(relative.strip("/").lower() if len(self._told) < MAX_TOLD else "")
        absent = self.absent_while(relative.strip("/"))
        if absent is not None and self.holds(absent) or os.path.lexists(path):
            return path
        path, rest = self.root, relative
        while rest:
            name, slash, after = rest.lstrip("/").partition("/")
            exact = f"{path}/{name}"
            known = name if os.path.lexists(exact) else self.listing(path).get(name.lower())
            if known is None:
                return f"{path}{rest}"
            path, rest = f"{path}/{known}", f"{slash}{after}"
        return path

    def has_told(self, name: str) -> bool:
        """Whether ``spelled`` may have told the path of what is at or below ``name``, which has
        appeared or gone. If so, all that it has told counts as forgotten.
        """
        lower = name.lower()
        known = "" in self._told or any(
            told == lower or told.startswith(f"{lower}/") for told in self._told
        )
        if known:
            self._told.clear()
        return known

    def _packages(self, folder: str, segment: str) -> str | None:
        """``env/Lib/site-packages`` as Windows has it: here there is a pythonX.Y in between."""
        env, _, name = folder.rpartition("/")
        if (
            segment.lower() != "site-packages"
            or name.lower() != "lib"
            or "pyvenv.cfg" not in self.listing(env)
        ):
            return None
        found: str | None = paths.site_packages(env)
        return found

    def listing(self, folder: str) -> dict[str, str]:
        """Lower-case name -> name on disk, of a folder; kept until the folder's time stamp
        changes.
        """
        try:
            changed = os.stat(folder).st_mtime_ns
        except OSError:
            return {}
        kept = self._listings.get(folder)
        if kept is not None and kept[0] == changed:
            return kept[1]
        try:
            names = sorted(os.listdir(folder), reverse=True)
        except OSError:
            return {}
        found = {name.lower(): name for name in names}
        if is_settled(changed):
            self._listings[folder] = (changed, found)
        return found


#: Bytes of a file that are read for what a source says in it.
MAX_TEXT = 1 << 20


def find(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder, whatever its case, as NTFS finds it; links do not
    count.
    """
    entry = FileView(str(folder)).find(name)
    return (
        Path(entry.path)
        if entry is not None and entry.is_file and not os.path.islink(entry.path)
        else None
    )


def read_bounded(path: str | Path, limit: int = MAX_TEXT) -> bytes:
    """What a regular file holds, ``limit`` bytes of it at most. Raises OSError, for all else too:
    nothing here waits for a FIFO, or reads a device.
    """
    descriptor = os.open(path, posix.READ_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)
    finally:
        os.close(descriptor)


def read_text(path: str | Path) -> str:
    """The same as text, with a sign for what is not UTF-8."""
    return read_bounded(path).decode("utf-8-sig", "replace")


def text_if_readable(path: str | Path) -> str:
    """The same; "" for a file that cannot be read."""
    try:
        return read_text(path)
    except OSError:
        return ""


def is_empty(folder: Path) -> bool:
    """Whether nothing lies in a folder but hidden files, so that init has nothing to go by."""
    return not any(not name.startswith(".") for name in os.listdir(folder))


def content(folder: Path, name: str) -> bytes:
    """What a small file says, empty where there is none."""
    file = find(folder, name)
    if file is None:
        return b""
    return read_bounded(file)
