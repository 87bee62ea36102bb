"""``fcgiemu compare`` hands the options of the site on to the server that it starts."""

from __future__ import annotations

from typing import Any

import click

from fcgiemu.cli.compare import _again
from fcgiemu.cli.compare import command as compare
from fcgiemu.cli.serve import command as serve

#: What click gives a command below ``main``; it keeps the names of the first call.
HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


def test_every_option_of_the_site_is_handed_on() -> None:
    given = [
        *("--strict", "--azure", "--map", "D:\\a=/b", "--map", "D:\\c=/d"),
        *("--provider", "n=m:f", "--site-name", "x", "--host-config", "h.config"),
    ]
    with compare.make_context("compare", ["site", "http://h", *given], **HELP) as context:
        params = dict(context.params)
        own = {"site", "url"} | {
            param.name for param in compare.params if param.name not in _names(serve)
        }
        settings = {name: value for name, value in params.items() if name not in own}
        again = _again(settings)
    with serve.make_context("serve", ["site", *again], **HELP) as other:
        assert {name: other.params[name] for name in settings} == settings


def _names(command: click.Command) -> set[str | None]:
    return {param.name for param in command.params}
