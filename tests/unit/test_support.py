"""``fcgiemu support`` and the page made from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

import fcgiemu
from fcgiemu.cli import main
from fcgiemu.report import support

ROOT = Path(__file__).parent.parent.parent


def test_the_page_of_the_docs_is_the_one_the_command_makes() -> None:
    assert (ROOT / "docs" / "support.md").read_text("utf-8") == support.markdown(), (
        "run: fcgiemu support --format markdown > docs/support.md"
    )


def test_what_is_said_to_be_emulated_is_read_by_the_code() -> None:
    assert fcgiemu.__file__
    sources = [path.read_text("utf-8") for path in Path(fcgiemu.__file__).parent.rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'"([A-Za-z0-9_]+)"', source)}
    built = {"doStaticCompression", "doDynamicCompression"}  # put together in compression.py
    unread = (
        {entry.attribute for entry in support.entries() if entry.support == "emulated"}
        - named
        - built
    )
    assert unread == set()


def test_the_command() -> None:
    result = CliRunner().invoke(main, ["support", "requestFiltering"])
    assert result.exit_code == 0
    assert (
        "system.webServer/security/requestFiltering" in result.output
        and "httpErrors" not in result.output
    )
    assert re.search(r"accepted +fileExtensions@applyToWebDAV", result.output)
    found = json.loads(CliRunner().invoke(main, ["support", "--format", "json"]).output)
    assert {
        "section": "system.webServer/security/access",
        "element": "",
        "attribute": "sslFlags",
        "support": "emulated",
        "default": "None",
        "lock": "locked",
        "type": "flags(None|Ssl|SslNegotiateCert|SslRequireCert|Ssl128)",
    } in found
