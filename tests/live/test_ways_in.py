"""The container, the GitHub action and the pre-commit hooks: what they run is run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcgiemu.testing.server import LiveServer

ROOT = Path(__file__).parents[2]
#: A check may only warn: this one is an error.
WRONG = (
    "<configuration><system.webServer><rewrite><x /></rewrite></system.webServer></configuration>"
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of a sample, and programs of this environment first in PATH."""
    folder = tmp_path / "site"
    left_out = shutil.ignore_patterns("env", ".fcgiemu", "__pycache__")
    shutil.copytree(ROOT / "samples" / "flask", folder, ignore=left_out)
    return folder


def run(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **more}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_container_serves(site: Path, serve: Callable[..., LiveServer]) -> None:
    """ENTRYPOINT and CMD, with other ports."""
    text = (ROOT / "Dockerfile").read_text()
    entry, command = (
        json.loads(re.search(rf"^{word} (\[.*\])$", text, re.MULTILINE)[1])  # type: ignore[index]
        for word in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["fcgiemu"] and command.pop(0) == "serve"
    options = ["0" if option in ("8000", "8001") else option for option in command]
    server = serve(site, *options)
    assert server.get("/static/site.css").status == 200
    assert text.index("\nUSER dev") < text.index("\nENTRYPOINT")


def _steps() -> dict[str, dict[str, Any]]:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    return {step["name"]: step for step in action["runs"]["steps"] if "run" in step}


@pytest.mark.parametrize(
    ("step", "config", "test", "code", "says"),
    [
        ("check", None, "auto", 0, ""),
        ("check", WRONG, "auto", 1, "::error file=site/web.config,line=1"),
        ("test", None, "auto", 0, ""),
        ("test", None, "false", 0, ""),
        ("test", WRONG, "true", 1, "::error"),
    ],
)
def test_steps_of_the_action(
    site: Path, step: str, config: str | None, test: str, code: int, says: str
) -> None:
    if config is not None:
        (site / "web.config").write_text(config)
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _steps()[step]["run"]]
    done = run(script, site.parent, SITE="site", OPTIONS="", TEST=test)
    assert done.returncode == code and says in done.stdout, done.stdout + done.stderr


def test_inputs_of_the_action_reach_its_steps_as_variables() -> None:
    """An input that stood in a script could be a script itself."""
    for step in _steps().values():
        assert "${{" not in step["run"]


def yaml_of(page: str, what: str) -> Any:
    """The YAML of a how-to page that holds ``what``."""
    text = (ROOT / "docs/howto" / page).read_text()
    (found,) = (
        block for block in re.findall(r"```yaml[^\n]*\n(.*?)```", text, re.DOTALL) if what in block
    )
    return yaml.safe_load(found)


def test_the_how_to_pages_know_what_ships() -> None:
    """The inputs of the action, the names of the hooks, the commands of the Dockerfile's head."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (step,) = (step for step in yaml_of("ci.md", "fcgiemu/fcgiemu@") if "fcgiemu" in step["uses"])
    assert step["with"].keys() <= action["inputs"].keys()
    (repository,) = yaml_of("ci.md", "repos:")["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == {hook["id"] for hook in HOOKS}
    page = (ROOT / "docs/howto/docker.md").read_text()
    commands = re.findall(r"^#   (docker .*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(commands) == 3 and all(f"$ {command}\n" in page for command in commands)


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hooks(site: Path, hook: dict[str, Any]) -> None:
    command = hook["entry"].split()
    done = run(command, site)
    assert done.returncode == 0, done.stdout + done.stderr
    (site / "web.config").write_text(WRONG)
    assert run(command, site).returncode != 0


@pytest.mark.parametrize(
    ("name", "hooks"),
    [
        ("web.config", ["fcgiemu-check", "fcgiemu-test"]),
        ("a/web.Release.config", ["fcgiemu-check", "fcgiemu-test"]),
        ("a/site.expect", ["fcgiemu-test"]),
        ("fcgiemu.toml", ["fcgiemu-check", "fcgiemu-test"]),
        ("myweb.config", []),
        ("app.py", []),
    ],
)
def test_files_of_the_hooks(name: str, hooks: list[str]) -> None:
    assert [hook["id"] for hook in HOOKS if re.search(hook["files"], name)] == hooks
