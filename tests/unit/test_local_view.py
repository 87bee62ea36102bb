"""Names of this machine, folders that are replaced, and the timers of a host configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.config import file as config_file
from fcgiemu.server.local_clients import is_trusted
from fcgiemu.server.replaced_folders import ReplacedFolders
from fcgiemu.server.web_limits import timers

from ..sites import write


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("site.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("", True),
        ("dev.example", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("1", False),
    ],
)
def test_names_of_this_machine(host: str, trusted: bool) -> None:
    assert is_trusted(host, frozenset({"dev.example"})) is trusted


def test_a_folder_that_another_one_replaces(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    roots = ReplacedFolders([first])
    assert roots.replaced() == []
    first.rename(tmp_path / "old")
    assert roots.replaced() == []  # nothing is there yet
    second.rename(first)
    assert roots.replaced() == [first]
    assert roots.replaced() == []
    (tmp_path / "link").symlink_to("old")
    links = ReplacedFolders([tmp_path / "link"])
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("a")
    assert links.replaced() == [tmp_path / "link"]


@pytest.mark.parametrize(
    ("attributes", "connection", "header_wait", "rate"),
    [
        ("", 120, 120, 240),
        ("connectionTimeout='00:00:01'", 1, 1, 240),
        ("connectionTimeout='1.00:00:00' headerWaitTimeout='00:01:30'", 86400, 90, 240),
        ("minBytesPerSecond='0'", 120, 120, 0),
        ("minBytesPerSecond='99999999999' connectionTimeout='soon'", 120, 120, 240),
    ],
)
def test_timers(
    tmp_path: Path, attributes: str, connection: int, header_wait: int, rate: int
) -> None:
    text = f"<webLimits {attributes} />"
    text = f"<configuration><system.applicationHost>{text}</system.applicationHost></configuration>"
    path = write(tmp_path, {"host.config": text}) / "host.config"
    found = timers([config_file.load(path, path.name, is_host=True)])
    assert (found.connection, found.header_wait, found.minimum_rate) == (
        connection,
        header_wait,
        rate,
    )
