"""The documentation of every finding: docs/check.md, and one section of it for ``check --explain``.

To write the page again: ``python -m fcgiemu.catalogue > docs/check.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from importlib import resources
from string import Template

from . import Kind, topics

_NEEDS = {
    "configuration": "from the configuration",
    "files": "from the configuration and the site's files",
    "process": "from the programs of this machine (`doctor`)",
    "request": "from a request that failed",
}


def page() -> str:
    """docs/check.md."""
    parts = [resources.files(__package__).joinpath("page.md").read_text("utf-8")]
    for part in topics():
        parts.append(f"## {part.title}\n")
        parts += [f"### {found.code}\n{section(found)}" for found in part.kinds.values()]
    return "\n".join(parts)


def section(found: Kind) -> str:
    """What the page says about one kind of finding, without its heading."""
    return "".join(f"{line}\n" for line in _section(found))


def plain(found: Kind) -> str:
    """``section`` for a terminal: messages without the marks of HTML."""
    return "".join(
        unescape(line.replace("<br>", "\n> ")) if line.startswith(">") else line
        for line in section(found).splitlines(keepends=True)
    )


def _section(found: Kind) -> Iterator[str]:
    before = f"; before: {', '.join(found.aliases)}" if found.aliases else ""
    yield f"*{found.severity}*, {_NEEDS[found.needs]}{before}. {found.summary}"
    for message, hint in dict.fromkeys(
        (form.message, form.hint) for form in found.forms.values() if form.message
    ):
        yield ""
        yield f"> {_shown(message)}{f'<br>{_shown(hint)}' if hint else ''}"
    if found.no_request:
        yield ""
        yield f"No request shows the difference. {found.no_request}"
    example = found.example
    if example.files:
        yield ""
        yield f"Beside it: {', '.join(f'`{name}`' for name in example.files)}."
    if example.file != "web.config":
        yield ""
        yield f"The example is `{example.file}`, beside a web.config."
    language = "xml" if found.needs in ("configuration", "files") else "text"
    if not example.file.endswith(".config"):
        language = example.file.rpartition(".")[2]
    texts = (example.before, example.after)
    answers = example.expects or ("", "")
    for text, answer in zip(texts, answers, strict=True):
        if text:
            yield ""
            yield f"```{language}\n{text.rstrip()}\n```"
        if answer:
            yield ""
            yield f"`{answer}`"


def _shown(template: str) -> str:
    """A template for a reader: ``…`` stands for what differs, and XML is not taken for HTML."""
    names = dict.fromkeys(Template(template).get_identifiers(), "…")
    return re.sub(r"<", "&lt;", Template(template).substitute(names)).replace("… …", "…")
