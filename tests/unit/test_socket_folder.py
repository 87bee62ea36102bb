"""The folder of sockets: it goes with its server, and that of a killed one with the next."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fcgiemu.socket_folder import SocketFolder

from ..sites import POSIX_ONLY

pytestmark = POSIX_ONLY


@pytest.fixture
def base(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def long_ago(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_it_goes_with_its_server(base: Path) -> None:
    folder = SocketFolder()
    assert Path(folder.name()).parent.is_dir() and folder.path.stat().st_mode & 0o77 == 0
    folder.close()
    assert not list(base.iterdir())


def test_what_a_killed_server_left_goes_with_the_next(base: Path) -> None:
    used, killed, fresh = SocketFolder(), SocketFolder(), SocketFolder()
    for folder in (killed, fresh):
        os.close(folder._lock)  # as the system does when a process ends
    strange = base / "fcgiemu-sockets-strange"
    strange.mkdir()
    (base / "fcgiemu-sockets-link").symlink_to(base)
    for path in (used.path, killed.path, strange):
        long_ago(path)
    new = SocketFolder()
    assert not killed.path.exists()
    assert used.path.exists() and fresh.path.exists() and strange.exists() and base.exists()
    used.close()
    new.close()
