"""Settings that a site keeps with itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest
from click.testing import CliRunner

from fcgiemu import Site, SiteError, project
from fcgiemu.app_service.environment import AppSetting
from fcgiemu.cli import main
from fcgiemu.cli.serve import command as serve_command
from fcgiemu.cli.site_options import settings_of, site_options
from fcgiemu.fastcgi.limits import Limits
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.project import read
from fcgiemu.settings import Settings

from ..sites import write


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "fcgiemu.toml",
            "strict = true\nstrict-locks = false\nsite-name = 'Shop'\n",
            {"strict": True, "strict_locks": False, "site_name": "Shop"},
        ),
        (
            "pyproject.toml",
            "[tool.fcgiemu]\nazure = true\n[tool.fcgiemu.app-settings]\nA = '1'\n",
            {"azure": True, "app_settings": (AppSetting("A", "1"),)},
        ),
        ("pyproject.toml", "[tool.other]\nx = 1\n", {}),
        ("fcgiemu.toml", "app-settings = 'a.env'\n", {"app_settings": (AppSetting("B", "2"),)}),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, text: str, found: dict[str, Any]) -> None:
    write(tmp_path, {name: text, "a.env": "B=2\n"})
    assert read(tmp_path) == found


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"fcgiemu.toml": "host-config = 'server/host.config'\nmap = { 'E:\\lib' = '../lib' }\n"},
    )
    assert read(tmp_path) == {
        "host_config": tmp_path / "server/host.config",
        "path_map": (("E:\\lib", str(tmp_path / "../lib")),),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("strict = 'yes'", "strict cannot be 'yes'"),
        ("prot = 80", "there is no key prot"),
        ("port = '80'", "port cannot be '80'"),
        ("workers = true", "workers cannot be True"),
        ("module = ['Cors']", "module cannot be"),
        ("strict =", "fcgiemu.toml: "),
        ("map = ['x']", "map cannot be"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, {"fcgiemu.toml": text})
    with pytest.raises(SiteError, match=words) as raised:
        read(tmp_path)
    assert raised.value.hint


def test_options_win(tmp_path: Path) -> None:
    host = "<configuration><system.webServer><directoryBrowse enabled='{}' /></system.webServer></configuration>"
    write(
        tmp_path,
        {
            "fcgiemu.toml": "host-config = 'on.config'\nazure = true\n",
            "on.config": host.format("true"),
            "off.config": host.format("false"),
            "folder/a.txt": "",
        },
    )

    def outcome(*options: str) -> dict[str, Any]:
        result = CliRunner().invoke(
            main, ["explain", str(tmp_path), "/folder/", "--json", *options]
        )
        found: dict[str, Any] = json.loads(result.output)
        assert found["variables"]["HTTP_X_ORIGINAL_URL"] == "/folder/"
        return found["outcome"]  # type: ignore[no-any-return]

    assert outcome()["kind"] == "directory"
    assert outcome("--host-config", str(tmp_path / "off.config"))["status"] == 403


@pytest.mark.parametrize(
    ("key", "near"), [("prot", "port"), ("no_reload", "reload"), ("Strict", "strict"), ("q", None)]
)
def test_a_key_that_does_not_exist(key: str, near: str | None, tmp_path: Path) -> None:
    write(tmp_path, {"fcgiemu.toml": f"{key} = 1\n"})
    with pytest.raises(SiteError) as raised:
        read(tmp_path)
    assert raised.value.hint.startswith(f"Did you mean {near}?" if near else "Known are ")


def test_every_option_of_serve_is_a_key_and_a_variable() -> None:
    """But for those that are about one start alone."""
    alone = {"help", "provider", "as", "role"}
    for param in serve_command.params:
        if isinstance(param, click.Option):
            key = max(param.opts, key=len).lstrip("-")
            assert key in alone or param.envvar == "FCGIEMU_" + key.upper().replace("-", "_")
            assert key in alone or key in (*project._KEYS, *project._SERVE), key


def given(*words: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The values that the options of serve have in the end."""
    with mock.patch.dict(os.environ, environment or {}):
        return serve_command.make_context(
            "serve", list(words), help_option_names=["-h", "--help"]
        ).params


def test_options_then_environment_then_settings(tmp_path: Path) -> None:
    text = "port = 8001\nworkers = 3\nreload = false\nlocal-host = ['shop.test']\nkey = 'k.pem'\n"
    write(tmp_path, {"fcgiemu.toml": text, "web.config": "<configuration />"})
    site = str(tmp_path)
    found = given(site)
    assert (found["port"], found["workers"], found["reload"]) == (8001, 3, False)
    assert (found["local_hosts"], found["key"]) == (("shop.test",), tmp_path / "k.pem")
    environment = {"FCGIEMU_PORT": "8002", "FCGIEMU_RELOAD": "1"}
    found = given(f"{site}/web.config", environment=environment)
    assert (found["port"], found["workers"], found["reload"]) == (8002, 3, True)
    assert given(site, "--port", "8003", environment=environment)["port"] == 8003


def test_a_value_that_an_option_cannot_have_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"fcgiemu.toml": "port = 70000\n"})
    result = CliRunner().invoke(main, ["serve", str(tmp_path)])
    assert result.exit_code == 2
    assert (
        f"{tmp_path / 'fcgiemu.toml'}: port: 70000 is not a whole number from 0 to" in result.output
    )
    result = CliRunner().invoke(main, ["serve", str(tmp_path)], env={"FCGIEMU_PORT": "x"})
    assert "FCGIEMU_PORT: x is not a whole number" in result.output


#: Switches of every command that opens a site.
SWITCHES = ("strict", "strict-locks", "azure", "portal-wins", "arr", "php", "compression")


@pytest.mark.parametrize("key", SWITCHES)
def test_the_environment_undoes_a_switch_of_the_settings(key: str, tmp_path: Path) -> None:
    write(tmp_path, {"fcgiemu.toml": f"{key} = true\n", "web.config": "<configuration />"})
    name = key.replace("-", "_")
    found: list[Settings] = []

    @click.command
    @site_options
    def command(**settings: object) -> None:
        found.append(settings_of(tmp_path, **settings))  # type: ignore[arg-type]

    for value in ("", "false", "0", "true"):
        variables = {f"FCGIEMU_{name.upper()}": value}
        assert CliRunner().invoke(command, [], env=variables).exit_code == 0
    assert [getattr(one, name) for one in found] == [True, False, False, True]


def test_the_environment_says_it_for_every_command(tmp_path: Path) -> None:
    """And the processes of the site do not see it."""
    write(tmp_path, {"web.config": "<configuration />"})
    result = CliRunner().invoke(
        main, ["check", str(tmp_path)], env={"FCGIEMU_HOST_CONFIG": "absent.config"}
    )
    assert "absent.config" in result.output
    with mock.patch.dict(os.environ, {"FCGIEMU_STANDBY": "0"}):
        launcher = Launcher(Site(tmp_path), PoolOptions())
        place = launcher.site.layout.applications[0]
        assert "FCGIEMU_STANDBY" not in launcher.environment(place, Limits())


def test_a_file_of_settings_has_a_bounded_size(tmp_path: Path) -> None:
    with open(tmp_path / "fcgiemu.toml", "wb") as stream:
        stream.truncate(1 << 31)
    with pytest.raises(SiteError, match="has more than"):
        read(tmp_path)
