"""The manual pages and the completion scripts of a release, made from the commands themselves:
``python -m fcgiemu.cli.manual share`` writes them below a folder as systems keep them.

A page is in the man macros of troff: a line that begins with a dot is a macro, ``\\e`` a backslash,
``\\-`` the minus of an option.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..version import __version__
from . import main
from .command_groups import COMMANDS, GROUPS, example
from .completion import script

#: Shell -> where its completion scripts lie below a prefix.
COMPLETIONS = {
    "bash": "bash-completion/completions/fcgiemu",
    "zsh": "zsh/site-functions/_fcgiemu",
    "fish": "fish/vendor_completions.d/fcgiemu.fish",
}


def page(name: str = "") -> str:
    """The page of a command; without a name, that of the program."""
    return "\n".join(_command(name) if name else _program()) + "\n"


def write(folder: Path) -> None:
    """All pages and scripts. Raises OSError."""
    for name in ("", *COMMANDS):
        _put(folder / "man" / "man1" / f"{_title(name)}.1", page(name))
    for shell, place in COMPLETIONS.items():
        _put(folder / place, script(main, shell) + "\n")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _title(name: str) -> str:
    return f"fcgiemu-{name}" if name else "fcgiemu"


def _program() -> Iterator[str]:
    context = click.Context(main, info_name="fcgiemu")
    yield from _head("", main.help or "")
    yield from (".SH SYNOPSIS", ".B fcgiemu", _plain(" ".join(main.collect_usage_pieces(context))))
    for title, group in GROUPS.items():
        yield from (f".SH {_plain(title.upper())}",)
        for name, (text, _) in group.items():
            yield from (".TP", f".BR {_plain(_title(name))} (1)", _plain(text))
    yield from _options(main, context)


def _command(name: str) -> Iterator[str]:
    root = click.Context(main, info_name="fcgiemu")
    command = main.get_command(root, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=root)
    yield from _head(name, COMMANDS[name])
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (".SH SYNOPSIS", f".B fcgiemu {name}", _plain(usage))
    yield ".SH DESCRIPTION"
    for paragraph in re.split(r"\n\s*\n", command.help or ""):
        yield from (".PP", _plain(" ".join(paragraph.replace("\b", "").split())))
    yield from _options(command, context)
    yield from (".SH EXAMPLE", ".EX", _plain(example(name)), ".EE")
    yield from (".SH SEE ALSO", ".BR fcgiemu (1)")


def _head(name: str, text: str) -> Iterator[str]:
    title = _title(name)
    yield f'.TH {_plain(title.upper())} 1 "" "fcgiemu {__version__}" "fcgiemu"'
    yield from (".nh", ".ad l")  # names of options are neither broken nor spread
    yield from (".SH NAME", f"{_plain(title)} \\- {_plain(text.rstrip('.'))}")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            names = _plain(record[0]).replace("|", r"|\:")  # a line may end after a choice
            yield from (".TP", f".B {names}", _plain(record[1]))


def _plain(text: str) -> str:
    """A text that troff prints as it is, on one line."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    write(Path(sys.argv[1]))
