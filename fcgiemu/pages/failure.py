"""The page about an application that failed: the likely cause first, then the site's own code, then
everything that the process said. Values in, HTML out, with ``templates/failure.html``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import Reload, SourceLine, render, secret_masking


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


@dataclass(frozen=True, slots=True)
class Error:
    """An error in one line, and the calls that it came through, the outermost first. ``relation``
    says what the error shown before it has to do with it; "" for the first.
    """

    text: str
    relation: str
    frames: Sequence[Frame]

    @property
    def groups(self) -> list[tuple[bool, list[Frame]]]:
        """The calls in groups of the site's own and of others, which are folded."""
        found: list[tuple[bool, list[Frame]]] = []
        for frame in self.frames:
            if not found or found[-1][0] != frame.is_own:
                found.append((frame.is_own, []))
            found[-1][1].append(frame)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """What a page tells: the request, the error that was raised last and those behind it, what is
    likely behind them, what the application printed, and the text that IIS sends.
    """

    request: str
    errors: Sequence[Error]
    causes: Sequence[str]
    output: str
    raw: str
    reload: Reload | None = None


def failed_application(failure: FailedRequest) -> bytes:
    """The page for local clients that accept HTML. Without secrets: see secret_masking."""
    return render("failure.html", failure=_masked(failure))


def _masked(failure: FailedRequest) -> FailedRequest:
    clean = secret_masking.text
    return replace(
        failure,
        request=clean(failure.request),
        errors=[
            replace(error, text=clean(error.text), frames=list(map(_clean, error.frames)))
            for error in failure.errors
        ],
        causes=[clean(cause) for cause in failure.causes],
        output=clean(failure.output),
        raw=clean(failure.raw),
    )


def _clean(frame: Frame) -> Frame:
    lines = [replace(line, text=secret_masking.text(line.text)) for line in frame.source]
    return replace(frame, source=lines)
