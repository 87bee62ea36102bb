"""An application that failed, as a page for the developer: its error text is read here as a
traceback, and ``pages/failure.py`` shows it.

Only files of the application itself are opened, whatever the text names: it comes from a process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ..errors import SiteError
from ..files import UNWATCHED, read_text
from ..pages import Reload, SourceLine
from ..pages.failure import Error, FailedRequest, Frame, failed_application

#: Characters of an error text that are read, from its end.
_MAX_TEXT = 1 << 17
_MAX_FRAMES = 60
_MAX_FILE = 1 << 20
#: Lines that are shown in front of the one of a call, and behind it.
_AROUND = 4
_BEGIN = "Traceback (most recent call last):\n"
#: What Python writes between the tracebacks of a chain, and what it says of the earlier one.
_RELATIONS = {
    "During handling of the above exception, another exception occurred": "While handling",
    "The above exception was the direct cause of the following exception": "Caused by",
}
_CHAINED = re.compile(rf"\n\n({'|'.join(_RELATIONS)}):\n\n")
_MAX_ERRORS = 10
_FRAME = re.compile(r'^ +File "([^"\n]+)", line (\d+)(?:, in (.+))?\n', re.MULTILINE)
#: Editors by name: what opens a file at a line.
EDITORS = {
    "vscode": "vscode://file{file}:{line}",
    "vscodium": "vscodium://file{file}:{line}",
    "cursor": "cursor://file{file}:{line}",
    "zed": "zed://file{file}:{line}",
    "pycharm": "pycharm://open?file={file}&line={line}",
    "idea": "idea://open?file={file}&line={line}",
    "sublime": "subl://open?url=file://{file}&line={line}",
}


def editor(name: str | None) -> str:
    """The form of an editor's links for a name of EDITORS, or for a form with {file} and {line}.

    Raises SiteError.
    """
    if not name:
        return ""
    form = EDITORS.get(name.lower(), name)
    if "{file}" not in form or form.lower().startswith(("javascript:", "data:")):
        raise SiteError(
            f"--editor {name} is not known.",
            f"Known are {', '.join(EDITORS)}; or write 'scheme://open?file={{file}}&line={{line}}'.",
        )
    return form


def page(
    text: str,
    request: str,
    causes: list[str],
    folder: Path,
    *,
    links: str,
    reload: Reload | None = None,
) -> bytes:
    """The page about an error text of the application in ``folder``; with ``reload`` it loads
    itself again.
    """
    shown = text[-_MAX_TEXT:]
    trace, _, printed = shown.partition("\n\nStdOut: ")
    return failed_application(
        FailedRequest(
            request=request,
            causes=causes,
            errors=_errors(trace, folder, links),
            output=_printed(printed),
            raw=shown,
            reload=reload,
        )
    )


def _errors(trace: str, folder: Path, links: str) -> list[Error]:
    """The errors of a chained traceback: the one that was raised last, then those behind it, the
    nearest first, each with what the next one has to do with it.
    """
    first, *more = _CHAINED.split(trace)
    texts = [first, *more[1::2]]
    relations = [_RELATIONS[words] for words in more[::2]]
    found = []
    for text, relation in zip(reversed(texts), ["", *reversed(relations)], strict=True):
        last = text.rpartition(_BEGIN)[2]
        frames = list(_frames(last, folder, links))[-_MAX_FRAMES:]
        found.append(Error(_error(last, text), relation, frames))
    return found[:_MAX_ERRORS]


def in_one_line(text: str, folder: Path) -> str:
    """The error of an error text with the place of the application's own code that it came from."""
    last = text[-_MAX_TEXT:].partition("\n\nStdOut: ")[0].rpartition(_BEGIN)[2]
    if not _FRAME.search(last):
        return ""
    root = os.path.realpath(folder)
    for match in reversed(list(_FRAME.finditer(last))):
        if own := _own(match[1], folder):
            return f"{own.relative_to(root)}:{match[2]}: {_error(last, last)}"
    return _error(last, last)


def _error(last: str, all_output: str) -> str:
    """The line that names the error: the first behind the calls that begins at the margin."""
    end = 0
    for match in _FRAME.finditer(last):
        end = match.end()
    lines = [line for line in last[end:].splitlines() if line.strip() and not line[0].isspace()]
    first = next(iter(lines), "")
    return (first or all_output.strip().partition("\n")[0])[:500] or "The application failed"


def _printed(text: str) -> str:
    """What the application wrote: the parts of wfastcgi's text, without empty ones."""
    out, _, error = text.partition("\n\nStdErr: ")
    return "\n".join(part.strip() for part in (out, error) if part.strip())


def _frames(text: str, folder: Path, links: str) -> Iterator[Frame]:
    for match in _FRAME.finditer(text):
        file, line = match[1], int(match[2])
        own = _own(file, folder)
        if own is None:
            yield Frame(f"{file}:{line}", match[3] or "", (), False, "")
            continue
        link = links.replace("{line}", str(line)).replace("{file}", quote(str(own)))
        place = f"{own.relative_to(os.path.realpath(folder))}:{line}"
        yield Frame(place, match[3] or "", _source(own, line), True, link)


def _own(file: str, folder: Path) -> Path | None:
    """A file of the application's own code; None for any other."""
    if "\0" in file or not file.endswith(".py"):
        return None
    root = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(root / file))
    if not path.is_relative_to(root) or not path.is_file():
        return None
    parts = path.relative_to(root).parts
    return None if UNWATCHED.intersection(parts) or "site-packages" in parts else path


def _source(path: Path, line: int) -> list[SourceLine]:
    try:
        if path.stat().st_size > _MAX_FILE:
            return []
        lines = read_text(path).splitlines()
    except OSError:
        return []
    first = max(1, line - _AROUND)
    return [
        SourceLine(number, lines[number - 1], number == line)
        for number in range(first, min(len(lines), line + _AROUND) + 1)
    ]


def accepts_html(accept: str) -> bool:
    """Whether a client asks for HTML by name, as browsers do."""
    return any(
        part.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
        and not re.search(r";\s*q=0(?:\.0*)?\s*(?:;|$)", part)
        for part in accept.split(",")
    )
