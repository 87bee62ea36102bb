"""Where options come from: the command line, then ``FCGIEMU_…`` of the environment, then
fcgiemu.toml or [tool.fcgiemu] of the site, then the default.
"""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from .. import project
from ..errors import SiteError
from .shared_options import SitePath, key, variable
from .usage_errors import in_words


class Serve(click.Command):
    """A command whose options may also stand in the settings of its SITE."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """As click does. Raises SiteError for a value of the settings that an option cannot have,
        naming the file.
        """
        found = None if context.resilient_parsing else project.of_serve(self._site(context, args))
        if found is not None:
            path, given = found
            context.default_map = {
                option.name or "": given[key(option)]
                for option in self._options()
                if key(option) in given
            }
        try:
            return super().parse_args(context, args)
        except click.BadParameter as error:
            option = error.param
            if not isinstance(option, click.Option) or option.name is None:
                raise
            source = context.get_parameter_source(option.name)
            if found is None or source is not ParameterSource.DEFAULT_MAP:
                raise
            hint = f"fcgiemu {context.info_name} -h says what it holds."
            raise SiteError(f"{found[0]}: {key(option)}: {in_words(error)}", hint) from error

    def _options(self) -> list[click.Option]:
        return [param for param in self.params if isinstance(param, click.Option)]

    def _site(self, context: click.Context, args: list[str]) -> Path:
        """The folder that the arguments name. Raises UsageError for what cannot be read."""
        found, _, _ = self.make_parser(context).parse_args(args=list(args))
        named = found.get("site")
        return SitePath().convert(named if isinstance(named, str) else ".", None, context)


def from_environment(command: click.Command) -> click.Command:
    """Let every option of a command stand in the environment."""
    for param in command.params:
        if isinstance(param, click.Option) and param.envvar is None and param.expose_value:
            param.envvar = variable(param)
            param.show_envvar = False
    return command
