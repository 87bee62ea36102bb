"""``fcgiemu trust`` and ``clean``: which commands run, which are shown, and what is removed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.server import trust

from ..sites import write

DATABASES = {".pki/nssdb/cert9.db": "", ".mozilla/firefox/a.default/cert9.db": ""}
STORE = {"usr/local/share/ca-certificates/": ""}
on_linux = pytest.mark.skipif(sys.platform == "darwin", reason="a keychain is named as well")


class Runner:
    """Notes commands; each has the given success."""

    def __init__(self, works: bool) -> None:
        self.works = works
        self.ran: list[tuple[str, ...]] = []

    def __call__(self, command: tuple[str, ...]) -> bool:
        self.ran.append(command)
        return self.works


@on_linux
def test_browsers_are_told_and_the_system_is_shown(tmp_path: Path) -> None:
    home, root = write(tmp_path / "home", DATABASES), write(tmp_path / "root", STORE)
    runner = Runner(True)
    found = list(trust.add(Path("/a b/ca.pem"), home, runner, root))
    assert [outcome.done for outcome in found] == [True, True, False]
    assert [command[0] for command in runner.ran] == ["certutil", "certutil"]
    assert found[-1].command == (
        "sudo cp '/a b/ca.pem' /usr/local/share/ca-certificates/fcgiemu.crt"
        " && sudo update-ca-certificates"
    )


@on_linux
def test_what_fails_is_shown_as_a_command(tmp_path: Path) -> None:
    home = write(tmp_path / "home", DATABASES)
    found = list(trust.add(Path("/ca.pem"), home, Runner(False), tmp_path / "none"))
    assert [outcome.done for outcome in found] == [False, False]
    assert found[0].command.startswith(f"certutil -A -d sql:{home}/.pki/nssdb ")


@on_linux
def test_removal_only_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/certutil")
    home, root = write(tmp_path / "home", DATABASES), write(tmp_path / "root", STORE)
    assert list(trust.remove(Path("/ca.pem"), home, Runner(False), root)) == []
    write(root, {"usr/local/share/ca-certificates/fcgiemu.crt": ""})
    found = list(trust.remove(Path("/ca.pem"), home, Runner(True), root))
    assert [outcome.done for outcome in found] == [True, True, False]
    assert found[-1].command.startswith("sudo rm /usr/local/share/ca-certificates/fcgiemu.crt")


def test_clean_removes_what_is_kept_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = write(tmp_path / "kept", {"tls/localhost.key": "x"})
    monkeypatch.setattr(click, "get_app_dir", lambda _: str(kept))
    site = write(tmp_path / "site", {"web.config": "<configuration />"})
    elsewhere = write(tmp_path / "elsewhere", {"precious": ""})
    (site / ".fcgiemu").symlink_to(elsewhere)

    def run(*words: str, answer: str = "") -> str:
        return CliRunner().invoke(main, ["clean", str(site), *words], input=answer).output

    assert str(kept) in run("--dry-run")
    run(answer="n\n")
    assert kept.is_dir() and (site / ".fcgiemu").is_symlink()
    assert "removed" in run("--yes")
    assert not kept.exists() and not (site / ".fcgiemu").is_symlink()
    assert (elsewhere / "precious").exists() and (site / "web.config").exists()
    assert run("--yes") == "Nothing is kept.\n"
