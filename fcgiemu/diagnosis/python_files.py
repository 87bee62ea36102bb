"""The sources of an application in Python, as far as they are read for what they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

#: Files that are looked at.
_MAX_FILES = 200
_PASSED_OVER = {
    "env",
    "venv",
    ".venv",
    "antenv",
    "node_modules",
    "site-packages",
    "tests",
    "migrations",
}


def python_files(folder: Path) -> Iterator[Path]:
    """The files of Python in a folder and in those two levels below it, 200 at most; environments
    and tests are left out.
    """
    count = 0
    for pattern in ("*.py", "*/*.py", "*/*/*.py"):
        for file in sorted(folder.glob(pattern)):
            if count < _MAX_FILES and not _PASSED_OVER.intersection(file.relative_to(folder).parts):
                count += 1
                yield file
