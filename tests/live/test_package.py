"""The sdist and the wheel, built from the files of the repository: nothing missing, nothing that
nobody has declared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from ..sites import make_env, write
from .server import READY_SECONDS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"),
    reason="git says which files belong to the repository; there is no git repository here",
)


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The files of the repository that are there."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sdist and of the wheel that is made of it. A warning of setuptools fails."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    (source / "fcgiemu" / "worker" / "undeclared.so").touch()
    (source / "samples" / "db.sqlite3").touch()
    command = [sys.executable, "-m", "fcgiemu.cli.manual", str(source / "share")]
    subprocess.run(command, check=True)
    command = [sys.executable, "-m", "build", "--no-isolation", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr, done.stdout + done.stderr
    return source / "dist"


def test_the_sdist_holds_the_repository(built: Path, tracked: set[str]) -> None:
    """Tests, docs, samples and CHANGELOG among it."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert tracked - names == set()
    assert {"tests/live/test_package.py", "docs/index.md", "CHANGELOG.md"} <= names
    assert "samples/db.sqlite3" not in names


def test_the_wheel_holds_the_package(built: Path, tracked: set[str]) -> None:
    """Every file of fcgiemu/, and no other: data are declared in setup.cfg, one by one."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    _, _, manual = next(name for name in names if name.endswith("/fcgiemu.1")).partition("/data/")
    assert manual == "share/man/man1/fcgiemu.1"
    package = {name for name in tracked if name.startswith("fcgiemu/")}
    assert {name for name in names if ".data/" not in name} == package


def test_a_package_index_takes_them(built: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# -- from pip install to the first page ------------------------------------------------------------

FLASK = "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef index():\n    return 'my shop'\n"
#: What a new user types, in the folder of the project, with its environment active.
COMMANDS = ("pip install fcgiemu", "fcgiemu init", "fcgiemu serve")


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_the_first_page_takes_three_commands(built: Path, tmp_path: Path, framework: str) -> None:
    """The network is not asked: the wheel comes from ``built``, packages from this environment."""
    pytest.importorskip(framework)
    make_env(tmp_path, Path(sysconfig.get_path("purelib")))
    (tmp_path / "env").rename(tmp_path / ".venv")
    programs = tmp_path / ".venv" / "bin"
    subprocess.run([programs / "python", "-m", "ensurepip"], check=True, capture_output=True)
    write(programs, {"pip": f'#!/bin/sh\nexec "{programs}/python" -m pip "$@"\n'})
    (programs / "pip").chmod(0o755)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    } | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(tmp_path / ".venv"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_FIND_LINKS": str(built),
        "PIP_IGNORE_INSTALLED": "1",  # this environment has it too
        "FCGIEMU_PORT": "0",  # 8000 may be in use
    }
    if framework == "flask":
        write(tmp_path, {"app.py": FLASK})
    else:
        start = [programs / "python", "-m", "django", "startproject", "shop", tmp_path]
        subprocess.run(start, check=True, env=environment)
    *commands, serve = COMMANDS
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with subprocess.Popen(
        f"exec {serve}",
        shell=True,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = (re.search(r"listening +(http://\S+)", line) for line in process.stdout)
            url = next(match[1] for match in found if match)
            with urllib.request.urlopen(url, timeout=READY_SECONDS) as answer:
                page = answer.read().decode()
            assert answer.status == 200
            assert ("my shop" if framework == "flask" else "The install worked") in page
        finally:
            process.terminate()
