"""``fcgiemu xdt``: XML Document Transforms on any file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import click

from ..config.xdt import Message
from ..config.xdt.chain import Chain
from ..errors import SiteError
from . import fail

_COLOURS = {"error": "red", "warning": "yellow"}


@click.command(
    help=(
        "Transform the file BASE as web.Release.config and applicationHost.xdt are applied, by each"
        " TRANSFORM in order, and print the result. Exit status: 1 where a transform fails (nothing"
        " is written then), else 0; warnings do not count."
    )
)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument(
    "transforms", nargs=-1, required=True, metavar="TRANSFORM...", type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result to FILE, which may be BASE.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Say what each element of a transform did, instead of printing the result.",
)
@click.option("--json", "as_json", is_flag=True, help="The result and all messages as JSON.")
def command(
    base: Path, transforms: tuple[Path, ...], output: Path | None, explain: bool, as_json: bool
) -> None:
    from ..config.xdt.chain import apply_all

    files = [(str(path), _read(path)) for path in transforms]
    if output is not None and any(_same(output, path) for path in transforms):
        raise click.UsageError("-o names a transform file, which would be overwritten.")
    chain = apply_all(_read(base), str(base), files)
    if as_json:
        if chain.ok and output is not None:
            _write(output, chain.data)
        click.echo(json.dumps(_data(chain, output), indent=1))
        sys.exit(0 if chain.ok else 1)
    for message in chain.messages:
        shown = message.kind in _COLOURS or message.code != ""
        if explain:
            click.echo("  " * message.depth + _line(message))
        elif shown:
            click.echo(_line(message), err=True)
        if shown and message.remedy:
            click.echo("  " * (message.depth + 1) + message.remedy, err=not explain)
    if not chain.ok:
        sys.exit(1)
    if output is not None:
        _write(output, chain.data)
        click.echo(f"wrote {output}", err=not explain)
    elif not explain:
        sys.stdout.buffer.write(chain.data)


def _data(chain: Chain, output: Path | None) -> dict[str, object]:
    """A chain as JSON; see schemas/json/xdt.json."""
    printed = chain.ok and output is None
    return {
        "ok": chain.ok,
        "output": str(output) if chain.ok and output is not None else None,
        "text": chain.applied[-1].result.text if printed else None,
        "messages": [
            {
                "kind": message.kind,
                "code": message.code,
                "message": message.text,
                "file": message.span.file if message.span else None,
                "line": message.span.line if message.span else None,
                "column": message.span.column if message.span else None,
                "hint": message.remedy,
                "depth": message.depth,
            }
            for message in chain.messages
        ],
    }


def _line(message: Message) -> str:
    """A message with its place and code, as ``check`` shows a finding."""
    if message.kind not in _COLOURS:
        return message.text
    place = f"{message.span}: " if message.span is not None else ""
    kind = click.style(message.kind, fg=_COLOURS[message.kind])
    return f"{place}{kind}: {message.text} [{message.code}]"


def _read(path: Path) -> bytes:
    from ..config.xdt.chain import read

    try:
        return read(path)
    except OSError as error:
        fail(
            SiteError(f"{path} cannot be read: {error.strerror}."),
            "Name a file: fcgiemu xdt web.config web.Release.config",
        )


def _same(one: Path, other: Path) -> bool:
    return one.exists() and os.path.samefile(one, other)


def _write(path: Path, data: bytes) -> None:
    """Write a file in one go: it is complete, or as it was before."""
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
        descriptor, new = tempfile.mkstemp(dir=target.parent, prefix=".fcgiemu-")
        try:
            with open(descriptor, "wb") as stream:
                stream.write(data)
            os.chmod(new, mode)
            os.replace(new, target)
        except OSError:
            os.unlink(new)
            raise
    except OSError as error:
        fail(
            SiteError(f"{path} cannot be written: {error.strerror}."),
            "Name a file in a folder that exists and may be written to.",
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
