"""Several transform files on one base file, one after the other, and how they are found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...files import find, read_bounded
from ..errors import ConfigurationError
from ..reader import MAX_BYTES
from . import Message, Origins, TransformResult, transform, unreadable


@dataclass(frozen=True, slots=True)
class Applied:
    """One transform file of a chain and what became of it."""

    name: str
    result: TransformResult


@dataclass(frozen=True, slots=True)
class Chain:
    """What a chain leaves: ``data`` is the base file after every transform file up to the first
    that failed; ``origins`` tells where each element of it stood before.
    """

    data: bytes
    applied: tuple[Applied, ...]
    origins: Origins

    @property
    def ok(self) -> bool:
        """Whether no transform file has failed."""
        return all(one.result.ok for one in self.applied)

    @property
    def messages(self) -> list[Message]:
        """What all of them had to say."""
        return [message for one in self.applied for message in one.result.messages]


def apply_all(
    base: bytes, base_name: str, files: list[tuple[str, bytes]], *, keep_going: bool = False
) -> Chain:
    """Apply ``files``, pairs of name and content, in this order.

    A file that fails leaves the base as it was before it and ends the chain, as build tools do;
    with ``keep_going`` what it had transformed stays and the next one has its turn, as App Service
    does.
    """
    applied: list[Applied] = []
    origins: Origins = {}
    for name, changes in files:
        try:
            result = transform(base, changes, base_name, name)
        except ConfigurationError as error:
            result = TransformResult(False, (unreadable(error),))
        applied.append(Applied(name, result))
        if result.data is not None and (result.ok or keep_going):
            base, origins = result.data, _composed(origins, result.origins, base_name)
        if not result.ok and not keep_going:
            break
    return Chain(base, tuple(applied), origins)


def _composed(first: Origins, second: Origins, base_name: str) -> Origins:
    """Where elements come from after a second file: the base of that one is the first's result."""
    if not first:
        return second
    return {
        place: first.get((span.line, span.column), span) if span.file == base_name else span
        for place, span in second.items()
    }


def read(path: Path) -> bytes:
    """The content of a base or transform file, bounded. Raises OSError."""
    return read_bounded(path, MAX_BYTES + 1)


def named(folder: Path, text: str) -> Path | None:
    """The transform file that ``text`` names: ``Release`` is web.Release.config of the site's
    folder, in any case; else it is a path, from the working folder or the site's. None where there
    is none.
    """
    if "/" not in text and "\\" not in text:
        found = find(folder, f"web.{text}.config")
        if found is not None and found.is_file():
            return found
    for path in (Path(text), folder / text):
        if path.is_file():
            return path
    return None


def names_beside(folder: Path) -> list[str]:
    """What --transform may name in a folder: ``Release`` where web.Release.config lies there."""
    return sorted(
        match[1]
        for file in folder.iterdir()
        if (match := re.fullmatch(r"web\.(.+)\.config", file.name, re.IGNORECASE))
        and file.is_file()
    )
