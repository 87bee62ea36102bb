"""``fcgiemu diff``: two versions of a site, from folders, files and git, asked with URLs and
logs.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import Settings, Site
from fcgiemu.cli import main
from fcgiemu.diff.compare import ListedRequest, compare, from_urls

from ..sites import rules, write

OLD = rules(
    '<rule name="a"><match url="^old/(.*)" /><action type="Redirect" url="/new/{R:1}" /></rule>'
)
NEW = rules(
    '<rule name="a"><match url="^old/(.*)" /><action type="Redirect" url="/newer/{R:1}" /></rule>'
    '<rule name="b"><match url="^gone" /><action type="CustomResponse" statusCode="410" /></rule>'
)
URLS = "/old/1\n/old/2\n/gone\n# a comment\n\n/static/a.css\nPOST /x\nhttps://www.example.org/old/3?q=1\n"
LOG = """#Software: Microsoft Internet Information Services 10.0
#Fields: date time cs-method cs-uri-stem cs-uri-query s-port sc-status time-taken
2026-11-22 10:00:00 GET /old/1 - 80 301 1
2026-11-22 10:00:01 GET /gone - 80 200 1
2026-11-22 10:00:02 GET /static/a.css - 80 304 1
2026-11-22 10:00:02 GET /static/no.css v=1 443 200 1
2026-11-22 10:00:02 GET /a+b/%C3%A4.css - 80 200 1
cut short
#Fields: cs-uri-stem
/old/9
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "site/web.config": OLD,
            "site/static/a.css": "",
            "site/a b/ä.css": "",
            "new.config": NEW,
            "urls.txt": URLS,
            "u_ex.log": LOG,
        },
    )


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["diff", *map(str, arguments)])
    return result.exit_code, result.output


def test_two_configurations(folder: Path) -> None:
    code, text = run(
        folder / "site",
        folder / "new.config",
        "--site",
        folder / "site",
        "--urls",
        folder / "urls.txt",
    )
    assert code == 1
    assert text.splitlines() == [
        "Other changes:",
        "       3   50.0 %  redirect 301 by rule 'a'  ->  redirect 301 by rule 'a'",
        "            /old/1: redirect 301 http://localhost/new/1 -> redirect 301 http://localhost/newer/1",
        "            /old/2: redirect 301 http://localhost/new/2 -> redirect 301 http://localhost/newer/2",
        "            https://www.example.org/old/3?q=1: redirect 301 https://www.example.org/new/3?q=1"
        " -> redirect 301 https://www.example.org/newer/3?q=1",
        "       1   16.7 %  404.0  ->  410.0 by rule 'b'",
        "            /gone: 404.0 -> 410.0",
        "4 of 6 change",
    ]
    assert run(folder / "site", folder / "site", "--urls", folder / "urls.txt") == (
        0,
        "0 of 6 change\n",
    )


def test_a_log(folder: Path) -> None:
    code, text = run(
        folder / "site",
        folder / "new.config",
        "--site",
        folder / "site",
        "--log",
        folder / "u_ex.log",
        "--format",
        "json",
    )
    found = json.loads(text)
    assert code == 1 and (found["asked"], found["changed"], found["skipped"]) == (6, 3, 1)
    assert {
        (group["logged"], group["predicted"], group["examples"][0]) for group in found["unlike_log"]
    } == {("200", "404.0", "/gone")}
    assert found["unlike_log"][0]["count"] == 2


def test_git_revisions(folder: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            [
                "git",
                "-C",
                str(folder),
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@example.org",
                *arguments,
            ],
            check=True,
            capture_output=True,
        )

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    (folder / "site" / "web.config").write_text(NEW)
    git("commit", "-q", "-a", "-m", "two")
    code, text = run("HEAD~1", "HEAD", "--site", folder / "site", "--urls", folder / "urls.txt")
    assert code == 1 and text.endswith("4 of 6 change\n")
    code, text = run("HEAD", ".", "--site", folder / "site", "--urls", folder / "urls.txt")
    assert code in (0, 1)
    code, text = run(
        "no-such-thing", "HEAD", "--site", folder / "site", "--urls", folder / "urls.txt"
    )
    assert code == 2 and "is not a folder, a file or a git revision" in text


def test_wrong_use(folder: Path) -> None:
    assert run(folder / "site", folder / "site")[0] == 2
    assert (
        run(
            folder / "site",
            folder / "site",
            "--urls",
            folder / "urls.txt",
            "--log",
            folder / "u_ex.log",
        )[0]
        == 2
    )
    code, text = run(folder / "site", folder / "site", "--log", folder / "urls.txt")
    assert code == 2 and "no #Fields line" in text
    code, text = run("nowhere", folder / "site", "--site", folder, "--urls", folder / "urls.txt")
    assert code == 2 and "not in a git repository" in text
    assert run(folder / "site", folder / "site", "--urls", folder / "missing.txt")[0] == 2


def test_many_urls_are_decided_in_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcgiemu.diff.compare._BATCH", 10)
    sites = [
        Site(folder / "site"),
        Site(folder / "site", Settings(root_config=folder / "new.config")),
    ]
    found = compare(sites[0], sites[1], (ListedRequest(f"/old/{number}") for number in range(95)))
    assert found.totals.requests == found.totals.changed == found.facts.requests == 95


def test_inputs() -> None:
    assert list(
        from_urls(["x", "PUT /y?z", "https://Host.example:8443/a", "/a b/\xe4", "http://[::1]/z"])
    ) == [
        ListedRequest("/x"),
        ListedRequest("/y?z", "PUT"),
        ListedRequest("/a", "GET", "host.example", 8443),
        ListedRequest("/a%20b/%C3%A4"),
        ListedRequest("/z", "GET", "[::1]"),
    ]
