"""The page about an application that failed: the likely cause first, then the site's own code, then
everything that the process said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import SourceLine, masking, render


@dataclass(frozen=True, slots=True)
class Frame:
    """A call in a traceback. ``is_own`` = of the site's own code, which ``source`` shows;
    ``link`` opens the editor, "" for none.
    """

    place: str
    name: str
    source: Sequence[SourceLine]
    is_own: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a page tells: the request, the error in one line, what is likely behind it, the calls
    with the outermost first, what the application printed, and the text that IIS sends.
    """

    request: str
    error: str
    causes: Sequence[str]
    frames: Sequence[Frame]
    output: str
    raw: str

    @property
    def groups(self) -> list[tuple[bool, list[Frame]]]:
        """The calls in groups of the site's own and of others, which are folded."""
        found: list[tuple[bool, list[Frame]]] = []
        for frame in self.frames:
            if not found or found[-1][0] != frame.is_own:
                found.append((frame.is_own, []))
            found[-1][1].append(frame)
        return found


def failed_application(failure: Failure) -> bytes:
    """The page for local clients that accept HTML. Without secrets: see masking."""
    return render("failure.html", failure=_masked(failure))


def _masked(failure: Failure) -> Failure:
    clean = masking.text
    return replace(
        failure,
        request=clean(failure.request),
        error=clean(failure.error),
        causes=[clean(cause) for cause in failure.causes],
        frames=[
            replace(
                frame,
                source=[replace(line, text=clean(line.text)) for line in frame.source],
            )
            for frame in failure.frames
        ],
        output=clean(failure.output),
        raw=clean(failure.raw),
    )
