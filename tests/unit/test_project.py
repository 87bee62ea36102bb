"""Settings that a site keeps with itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fcgiemu import SiteError
from fcgiemu.app_service.environment import AppSetting
from fcgiemu.cli import main
from fcgiemu.project import read

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
        ("port = 80", "there is no key port"),
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
