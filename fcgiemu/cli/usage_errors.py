"""Wrong options in plain words: what the value is not, and the option that was meant."""

from __future__ import annotations

import difflib

import click
from click.core import ParameterSource

from .shared_options import variable


def plain(error: click.UsageError) -> click.UsageError:
    """The same error in plain words, where click's own are not."""
    if isinstance(error, click.NoSuchOption):
        return _with(error, f"There is no option {error.option_name}.{_near(error)}")
    if isinstance(error, click.MissingParameter) or not isinstance(error, click.BadParameter):
        return error
    option, words = error.param, in_words(error)
    if not isinstance(option, click.Option) or words == error.message:
        return error
    return _with(error, f"{_place(error, option)}: {words}")


def in_words(error: click.BadParameter) -> str:
    """What a value is not; click's own message where that is plain."""
    value = _value(error)
    wanted = _wanted(error.param.type, value) if error.param is not None and value else ""
    return f"{value} {wanted}" if wanted else error.message


def _with(error: click.UsageError, message: str) -> click.UsageError:
    return click.UsageError(message, error.ctx)


def _near(error: click.NoSuchOption) -> str:
    """The option whose name is nearest."""
    options = error.ctx.command.get_params(error.ctx) if error.ctx is not None else []
    names = [name for option in options for name in option.opts if name.startswith("--")]
    found = difflib.get_close_matches(error.option_name, names, 1, 0.6)
    command = error.ctx.command_path if error.ctx is not None else "fcgiemu"
    return f" Did you mean {found[0]}?" if found else f" {command} -h lists them."


def _place(error: click.BadParameter, option: click.Option) -> str:
    """Where a value comes from: the option, or its variable."""
    context = error.ctx
    source = context.get_parameter_source(option.name or "") if context is not None else None
    of_environment = source is ParameterSource.ENVIRONMENT
    return variable(option) if of_environment else max(option.opts, key=len)


def _value(error: click.BadParameter) -> str | None:
    """The value that click quotes in its message; None where it quotes none."""
    quoted = error.message.split("'")
    if error.message.startswith("'") and len(quoted) > 2:
        return quoted[1]
    return error.message.partition(" ")[0] if "is not in the range" in error.message else None


def _wanted(kind: object, value: str) -> str:
    """What a value of this type is, beginning with "is not"; "" where click says it well."""
    if isinstance(kind, click.IntRange) and kind.min is not None and kind.max is not None:
        return f"is not a whole number from {kind.min} to {kind.max}."
    if isinstance(kind, click.IntRange) and kind.min is not None:
        return f"is not a whole number from {kind.min} on."
    if isinstance(kind, type(click.INT)):
        return "is not a whole number."
    if isinstance(kind, type(click.BOOL)):
        return "is neither true nor false."
    if isinstance(kind, click.Choice):
        names = list(map(str, kind.choices))
        near = difflib.get_close_matches(value, names, 1, 0.6)
        return f"is not one of {', '.join(names)}." + (f" Did you mean {near[0]}?" if near else "")
    return ""
