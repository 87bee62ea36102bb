"""Pages of the reference that are made from the code when the documentation is built: nothing in
them can be out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator

import click

from fcgiemu import Settings, project
from fcgiemu.cli import COMMANDS, command_groups, main
from fcgiemu.freb import event_table


def _cell(text: object) -> str:
    """A text in a cell of a table."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").strip()


def _rows(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> Iterator[str]:
    """A table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""


def commands() -> str:
    """Every command with every option, from click."""
    lines = [
        "# Commands",
        "",
        "Made from the program itself; `fcgiemu COMMAND -h` shows the same. Options that describe",
        "the site are the same for every command, and may stand in [fcgiemu.toml](keys.md).",
        "",
    ]
    context = click.Context(main, info_name="fcgiemu", **main.context_settings)
    for title, group in command_groups.GROUPS.items():
        lines += [f"## {title}", ""]
        for name in group:
            lines += _command(name, context)
    return "\n".join(lines)


def _command(name: str, parent: click.Context) -> Iterator[str]:
    command = main.get_command(parent, name)
    assert command is not None
    names = parent.help_option_names
    context = click.Context(command, info_name=f"fcgiemu {name}", help_option_names=names)
    yield f"### fcgiemu {name}"
    yield ""
    help = inspect.cleandoc(command.help or COMMANDS[name]).replace("\b\n", "")
    yield help.partition("\f")[0]
    yield ""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"    fcgiemu {name} {usage}"
    yield ""
    yield f"For example `{command_groups.example(name)}`."
    yield ""
    options = [
        _option(parameter)
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    yield from _rows(("option", "default", "meaning"), options)


def _option(option: click.Option) -> tuple[object, ...]:
    """Names with their value, the default, the help."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if not option.is_flag and not option.count:
        names += " " + ", ".join(f"`{value}`" for value in _values(option))
    default = option.default
    told = isinstance(default, (str, int, float)) and not isinstance(default, bool)
    return names, f"`{default}`" if told and default != "" else "", option.help or ""


def _values(option: click.Option) -> list[str]:
    """What may stand behind an option: its choices, or the name of its value."""
    if option.metavar is None and isinstance(option.type, click.Choice):
        return list(map(str, option.type.choices))
    return (option.metavar or option.type.name.upper()).strip("[]").split("|")


def keys() -> str:
    """Every key of fcgiemu.toml, with the option that means the same."""
    serve = main.get_command(click.Context(main), "serve")
    assert serve is not None
    options = {
        name.lstrip("-"): option
        for option in serve.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("--")
    }
    rows = [_key(key, options) for key in (*project._KEYS, *project._SERVE)]
    return "\n".join(
        [
            "# Keys of fcgiemu.toml",
            "",
            "The file `fcgiemu.toml` in the folder of a site, or `[tool.fcgiemu]` of its",
            "pyproject.toml. The command line wins, then the variable of the environment, then",
            "the file. A key that does not exist is an error that names the nearest one.",
            "[serve](../serve.md#settings-that-stay-with-the-site) has an example.",
            "",
            *_rows(("key", "variable", "meaning"), rows),
        ]
    )


def _key(key: str, options: dict[str, click.Option]) -> tuple[object, ...]:
    name = key if key in options else f"no-{key}"
    option = options.get(name)
    meaning = option.help if option is not None and option.help else "See the option."
    return f"`{key}`", f"`FCGIEMU_{key.upper().replace('-', '_')}`", meaning


def fields() -> str:
    """The fields of Settings, with their types, defaults and comments."""
    comments = _comments(inspect.getsource(Settings))
    rows = [
        (f"`{field.name}`", f"`{field.type}`", f"`{_default(field)}`", comments[field.name])
        for field in dataclasses.fields(Settings)
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "`fcgiemu.Settings` says about a site what its web.config does not: what an",
            "administrator, the platform or the command line would say. It is frozen, every",
            "field has a default, and all are given by keyword:",
            "",
            "```python",
            "from fcgiemu import Settings, Site",
            "",
            'site = Site("path/to/site", Settings(azure=True, strict=True))',
            "```",
            "",
            "The markers of the [pytest plugin](../pytest.md) and `fcgiemu.testing.Client`",
            "take the same names.",
            "",
            *_rows(("field", "type", "default", "meaning"), rows),
        ]
    )


def _default(field: dataclasses.Field[object]) -> object:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    assert field.default_factory is not dataclasses.MISSING
    return repr(field.default_factory())


def _comments(source: str) -> dict[str, str]:
    """Field -> the ``#:`` comment above it."""
    found, above = {}, []
    for line in map(str.strip, source.splitlines()):
        if line.startswith("#:"):
            above.append(line[2:].strip())
        elif named := re.match(r"(\w+): ", line):
            found[named[1]] = re.sub(
                r"(?<!`)<(\w[\w.]*)>", r"`<\1>`", " ".join(above).replace("``", "`")
            )
            above = []
        else:
            above = []
    return found


def events() -> str:
    """The events of traces, from the table that reads and writes them."""
    lines = [
        "# Events of traces",
        "",
        "The events of IIS's failed-request tracing, 7.5 to 10, as [`fcgiemu freb`](../freb.md)",
        "reads them and `serve --freb` writes them; `explain --json` has those that say how a",
        "request was decided. *Measured*: seen in a genuine trace; the others are known from",
        "Microsoft's public manifest only. Every event begins with a ContextId that names the",
        "request.",
        "",
    ]
    for area in dict.fromkeys(known.area for known in event_table.definitions()):
        rows = [
            (
                f"`{known.name}`",
                "measured" if known.measured else "documented",
                ", ".join(f"`{name}`" for name in known.data),
            )
            for known in event_table.definitions()
            if known.area == area
        ]
        lines += [f"## {area}", "", *_rows(("event", "known", "values"), rows)]
    return "\n".join(lines)


#: Address -> what writes the page.
PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/events.md": events,
    "reference/keys.md": keys,
    "reference/settings.md": fields,
}
