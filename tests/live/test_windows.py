"""What works on Windows, in an interpreter that has lost what Windows lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..sites import write, wsgi_site
from ..without_posix import JOB

ROOT = Path(__file__).parents[2]
APP = "def application(environ, start_response):\n    return []\n"
FILES: dict[str, str | bytes] = {
    "web.config": wsgi_site(),
    "app.py": APP,
    "new/app.py": APP,
    "site.expect": "GET / -> fastcgi\n",
    "urls.txt": "/\n/a\n",
    "web.Release.config": '<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">'
    '<system.webServer><httpErrors errorMode="Detailed" xdt:Transform="Insert" />'
    "</system.webServer></configuration>",
}
COMMANDS = [
    (["explain", "{site}", "/a?b=1"], 0, "=> FastCGI"),
    (["check", "{site}"], 0, ""),
    (["test", "{site}/site.expect"], 0, "1 of 1 as expected"),
    (["diff", "{site}", "{site}", "--urls", "{site}/urls.txt"], 0, ""),
    (["init", "{site}/new", "--dry-run"], 0, "web.config"),
    (["xdt", "{site}/web.config", "{site}/web.Release.config"], 0, "httpErrors"),
    (["freb", "{site}"], 0, "No trace was found"),
    (["support", "httpErrors"], 0, "httpErrors"),
    (["serve", "{site}"], 2, "does not serve on Windows yet. Run it in WSL"),
    (["explain", "{site}", "/", "--run"], 2, "does not serve on Windows yet. Run it in WSL"),
]


def as_windows(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.without_posix", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(("arguments", "code", "says"), COMMANDS)
def test_commands(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    write(tmp_path, FILES)
    done = as_windows("fcgiemu", *(text.format(site=tmp_path) for text in arguments))
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_the_tests_of_what_works_there(tmp_path: Path) -> None:
    done = as_windows(*JOB, "--basetemp", str(tmp_path / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr
