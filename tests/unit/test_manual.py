"""The manual pages and the completion scripts, made from the commands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from fcgiemu.cli import main, manual
from fcgiemu.cli.command_groups import COMMANDS


def read(page: Path) -> str:
    """What a reader sees; a warning of troff fails."""
    command = ["man", "--warnings", "-l", "-Tutf8", "-P", "cat", str(page)]
    environment = {"MANWIDTH": "90", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(re.sub(".\b", "", done.stdout).split())


@pytest.mark.skipif(
    shutil.which("man") is None or shutil.which("troff") is None, reason="man is not installed"
)
def test_every_command_has_a_page_that_man_shows(tmp_path: Path) -> None:
    manual.write(tmp_path)
    pages = tmp_path / "man" / "man1"
    for name, text in COMMANDS.items():
        shown = read(pages / f"fcgiemu-{name}.1")
        assert f"fcgiemu-{name} - {text.rstrip('.')}" in shown and f"fcgiemu {name}" in shown
        assert name in read(pages / "fcgiemu.1")
    shown = read(pages / "fcgiemu-xdt.1")
    assert "EXAMPLE fcgiemu xdt web.config web.Release.config" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_its_page(name: str) -> None:
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None
    page = manual.page(name)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[-1].replace("-", "\\-") in page


@pytest.mark.parametrize(
    ("text", "written"),
    [("a -b", "a \\-b"), (".x", "\\&.x"), ("'x", "\\&'x"), ("D:\\home", "D:\\ehome")],
)
def test_what_troff_would_take_for_a_macro(text: str, written: str) -> None:
    assert manual._plain(text) == written


def test_completions_lie_where_shells_look(tmp_path: Path) -> None:
    manual.write(tmp_path)
    for place in manual.COMPLETIONS.values():
        assert "_FCGIEMU_COMPLETE" in (tmp_path / place).read_text()
    bash = tmp_path / manual.COMPLETIONS["bash"]
    if shutil.which("bash") is not None:
        subprocess.run(["bash", "-n", str(bash)], check=True)
