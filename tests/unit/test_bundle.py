"""Captures of servers with IIS: made-up ones are read, unpacked and compared; bad ones refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.errors import SiteError
from fcgiemu.freb import writer
from fcgiemu.parity import bundle as bundles

from .. import traces
from ..schemas import hold
from ..sites import rules

ABOUT = {
    "format": "fcgiemu-capture",
    "version": 1,
    "made": "2026-03-01T00:00:00Z",
    "redacted": True,
    "iis": "Version 10.0",
    "site": {"name": "garden", "id": 3, "physicalPath": "D:\\sites\\garden"},
}
CONFIG = rules(
    '<rule name="old" stopProcessing="true"><match url="^old/(.*)"/>'
    '<action type="Redirect" url="/{R:1}"/></rule>'
)
HEADERS = [["Content-Type", "text/html"], ["Server", "Microsoft-IIS/10.0"]]


def answer(url: str, status: int, *headers: list[str]) -> dict[str, Any]:
    body = {"bytes": 0, "sha256": ""}
    powered = ["X-Powered-By", "ASP.NET"]
    return {
        "request": {"method": "GET", "url": url},
        "status": status,
        "reason": "",
        "headers": [*HEADERS, powered, *headers],
        "body": body,
    }


def parts(**more: str | bytes) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {
        "bundle.json": json.dumps(ABOUT),
        "site/web.config": CONFIG,
        "files.txt": "index.html\t120\nimg/\t0\nimg/a.png\t5000\nweb.config\t200\n",
        "answers.json": json.dumps(
            [
                answer(
                    "https://garden.example/old/x", 301, ["Location", "https://garden.example/x"]
                ),
                answer("https://garden.example/gone", 404),
            ]
        ),
        **more,
    }
    return found


def pack(tmp_path: Path, content: dict[str, str | bytes]) -> Path:
    path = tmp_path / "site.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_read_and_unpacked(tmp_path: Path) -> None:
    found = bundles.read(pack(tmp_path, parts()))
    assert (found.site_name, len(found.answers), found.problems) == ("garden", 2, [])
    folder = tmp_path / "work"
    folder.mkdir()
    site = bundles.unpack(found, folder)
    assert (site / "img" / "a.png").stat().st_size == 5000
    assert (site / "web.config").read_text() == CONFIG


def test_a_folder_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path, parts())) as archive:
        archive.extractall(tmp_path / "folder")
    assert len(bundles.read(tmp_path / "folder").files) == 4


def test_compared(tmp_path: Path) -> None:
    trace = writer.write(traces.missing())
    path = pack(tmp_path, parts(**{"traces/fr000001.xml": trace}))
    run = CliRunner().invoke(main, ["capture", str(path), "--json"])
    assert run.exit_code == 1, run.output
    told = hold("capture", run.output)
    assert [one["differs"] for one in told["checked"]] == [True, False, False]
    assert told["checked"][0]["what"].startswith("traces/fr000001.xml: GET")
    run = CliRunner().invoke(main, ["capture", str(path)])
    assert "garden, IIS Version 10.0" in run.output
    assert "1 of 3 differ" in run.output


def test_answers_that_differ(tmp_path: Path) -> None:
    wrong = [
        answer("https://garden.example/old/x", 301, ["Location", "https://garden.example/y"]),
        answer("https://garden.example/gone", 410),
        answer("https://garden.example/index.html", 200, ["X-Frame-Options", "DENY"]),
    ]
    run = CliRunner().invoke(
        main, ["capture", str(pack(tmp_path, parts(**{"answers.json": json.dumps(wrong)})))]
    )
    assert "Location: server {site}/y, here {site}/x" in run.output
    assert "status: server 410, here 404" in run.output
    assert "X-Frame-Options: server DENY, here none" in run.output
    assert "3 of 3 differ" in run.output


@pytest.mark.parametrize(
    "name", ["site/../../web.config", "site/C:/web.config", "../traces/fr000001.xml"]
)
def test_names_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    found = bundles.read(pack(tmp_path, parts(**{name: "x"})))
    assert found.problems == [f"{name} points outside its folder; it was left out"]
    assert list(found.configurations) == ["web.config"]


def test_bad_lines_are_told(tmp_path: Path) -> None:
    odd = {
        "files.txt": "a\n../x\t1\nb\t-1\nc\t12\n",
        "answers.json": "[1]",
        "traces/fr000001.xml": "nothing",
    }
    found = bundles.read(pack(tmp_path, parts(**odd)))
    assert list(found.files) == ["c"]
    assert len(found.problems) == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"x": "y"}, "no bundle.json"),
        ({"bundle.json": "{"}, "not JSON"),
        ({"bundle.json": "[]"}, "does not say"),
        ({"bundle.json": '{"format": "fcgiemu-capture", "version": 2}'}, "version 2"),
    ],
)
def test_what_is_not_a_capture(tmp_path: Path, content: dict[str, str | bytes], words: str) -> None:
    with pytest.raises(SiteError, match=words):
        bundles.read(pack(tmp_path, content))


def test_what_is_not_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_text("hello")
    run = CliRunner().invoke(main, ["capture", str(path)])
    assert run.exit_code == 2 and "cannot be read as a capture" in run.output


def test_parts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_PARTS", 3)
    with pytest.raises(SiteError, match="more than 3"):
        bundles.read(pack(tmp_path, parts()))


def test_the_kit(tmp_path: Path) -> None:
    run = CliRunner().invoke(main, ["capture", "--kit", str(tmp_path / "kit")])
    assert run.exit_code == 0, run.output
    script = (tmp_path / "kit" / "Collect-Site.ps1").read_bytes()
    assert b"UNTESTED" in script and b"\r\n" in script
    assert b"UNTESTED" in (tmp_path / "kit" / "README.txt").read_bytes()


def test_one_of_both_is_needed() -> None:
    assert CliRunner().invoke(main, ["capture"]).exit_code == 2
