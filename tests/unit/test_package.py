"""What the package says of itself: setup.cfg, README on a package index, the oldest versions."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from fcgiemu.version import __version__

from .. import oldest

ROOT = Path(__file__).parents[2]
CONFIG = RawConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
REPOSITORY = CONFIG["metadata"]["url"]


def _setup(*asked: str) -> str:
    """What setup.py answers."""
    command = [sys.executable, "setup.py", "-q", *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_address_of_the_repository_is_that_of_setup_cfg() -> None:
    """Every page, template and action of ours names one repository."""
    lines = CONFIG["metadata"]["project_urls"].strip().splitlines()
    assert all(line.partition(" = ")[2].startswith(REPOSITORY) for line in lines)
    name = REPOSITORY.rpartition("/")[2]
    other = re.compile(rf"https://[\w.]+/[\w-]+/{name}\b")
    texts = [ROOT / "README.md", ROOT / "action.yml", *(ROOT / "docs").rglob("*.md")]
    found = {
        url for path in texts if path.exists() for url in other.findall(path.read_text("utf-8"))
    }
    assert found <= {REPOSITORY}


def test_the_version_stands_in_one_place() -> None:
    assert CONFIG["metadata"]["version"] == "attr: fcgiemu.version.__version__"
    assert _setup("--version").strip() == __version__


def test_links_of_readme_work_on_a_package_index() -> None:
    """Relative ones are made absolute; each leads to a file of the repository."""
    links = re.findall(r"\]\(([^)\s]+)\)", _setup("--long-description"))
    assert len(links) > 5
    for link in links:
        assert re.match(r"https?://|#", link), link
        for place in ("blob", "raw"):
            start = f"{REPOSITORY}/{place}/main/"
            if link.startswith(start):
                assert (ROOT / link.removeprefix(start).partition("#")[0]).exists(), link


@pytest.mark.parametrize("extra", ["debug", "wfastcgi", "logs", "ui", "python2"])
def test_extras(extra: str) -> None:
    assert extra in CONFIG["options.extras_require"]


def test_pyproject_holds_the_build_system_only() -> None:
    assert re.findall(r"^\[.*\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE) == [
        "[build-system]"
    ]


def test_every_requirement_but_stubs_has_an_oldest_version() -> None:
    """Without one, the job with the oldest versions would try the newest."""
    bounded = {line.partition("==")[0] for line in oldest.constraints()}
    free = {re.split(r"[^\w.-]", line)[0] for line in oldest.requirements()} - bounded
    assert free == {"fcgiemu", "lxml-stubs", "types-jsonschema", "types-regex"}


#: Libraries that cost more than they give where nothing is served.
HEAVY = {"asyncio", "http.client", "jinja2", "lxml", "rich", "ssl", "watchdog", "xml.sax.saxutils"}


@pytest.mark.parametrize("command", ["explain", "-V"])
def test_a_question_loads_no_server(command: str) -> None:
    """``fcgiemu explain`` is called often, by people and by scripts: it starts without these."""
    code = (
        "import sys; from fcgiemu.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print(*sys.modules, file=sys.stderr)"
    )
    site = [str(ROOT / "samples" / "flask"), "/"] if command == "explain" else []
    done = subprocess.run(
        [sys.executable, "-c", code, command, *site], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stderr.split()) == set()
