"""What mypy says of the code of those who use fcgiemu as a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
from pathlib import Path
from typing import Any, assert_type

from fcgiemu import Decision, Finding, Site, Trace
from fcgiemu.config.merge import Node
from fcgiemu.http.request import make_request

site = Site("path")
Site(Path("path"))
answer = site.explain("/a")
assert_type(answer["outcome"]["status"], int | None)
assert_type(answer["rules"], list[str])
decision = site.decide(make_request("/a"), Trace())
assert_type(decision, Decision)
assert_type(decision.findings, tuple[Finding, ...])
section = site.effective("/").section("system.webServer/handlers")
assert_type(section, Node)
assert_type(section.items[0].text("name"), str)
decision.path = "/b"  # frozen
answer["no such key"]
Site(1)
section["name"]  # there is no way that gives Any
"""


def test_the_public_face_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    file = tmp_path / "uses.py"
    file.write_text(CODE, "utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), str(file)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    lines = CODE.splitlines()
    wrong = [lines[int(line.split(":")[1]) - 1] for line in said.splitlines() if ": error:" in line]
    assert wrong == lines[-4:], said
