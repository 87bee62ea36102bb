"""``serve --freb``: traces of real requests, imported again, show no difference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.freb import reader, writer
from fcgiemu.freb.model import FrebTrace
from fcgiemu.parity import trace_replay
from fcgiemu.site import Site

from ..schemas import hold
from ..sites import web_config, write, wsgi_site
from .server import LiveServer

TRACING = (
    '<tracing><traceFailedRequests><add path="*">'
    '<traceAreas><add provider="WWW Server" areas="{}" verbosity="Verbose"/></traceAreas>'
    '<failureDefinitions statusCodes="{}"/></add></traceFailedRequests></tracing>'
)
RULES = (
    "<rewrite><rules>"
    '<rule name="old"><match url="^old/(.*)"/><action type="Rewrite" url="{R:1}"/></rule>'
    '<rule name="go" stopProcessing="true"><match url="^go/(.*)"/>'
    '<action type="Redirect" url="/{R:1}"/></rule>'
    "</rules></rewrite>"
)


def traces_of(folder: Path) -> list[FrebTrace]:
    """The traces of a folder, each written again byte for byte."""
    found = []
    for path in sorted(folder.glob("fr*.xml")):
        trace = reader.read(path)
        assert writer.write(trace) == path.read_bytes()
        assert path.with_suffix(".html").read_text().startswith("<!DOCTYPE html>")
        found.append(trace)
    return found


def test_round_trip(tmp_path: Path) -> None:
    config = web_config(RULES + TRACING.format("", "200-599"))
    site = write(
        tmp_path / "site", {"web.config": config, "index.html": "x", "a.css": "y", "b/": ""}
    )
    folder = tmp_path / "traces"
    paths = ["/", "/a.css?v=1", "/missing", "/old/a.css", "/go/x", "/web.config", "/b", "/b/"]
    with LiveServer(site, ["--freb", str(folder)]) as server:
        for path in paths:
            server.get(path, {"Cookie": "a=b", "User-Agent": "Probe/1"})
        server.get("/a.css", {"If-None-Match": "*"})
        server.request("HEAD", "/a.css")
        assert "traces " in server.log() and "by traceFailedRequests" in server.log()
    found = traces_of(folder)
    assert [Path(trace.source).name for trace in found] == [
        f"fr{number:06}.xml" for number in range(1, 11)
    ]
    assert [trace.status for trace in found] == [
        *(200, 200, 404, 200, 301, 404, 301, 403, 304, 200),
    ]
    opened = Site(site)
    for trace in found:
        compared = trace_replay.compare(trace, opened)
        assert compared.difference is None, trace_replay.text(compared)
        assert trace["activityId"].startswith("{") and trace.milliseconds >= 0
    headers = next(found[0].named("GENERAL_REQUEST_HEADERS"))["Headers"]
    assert "Cookie: a=b\r\nHost: 127.0.0.1" in headers


def test_applications_and_bytes(tmp_path: Path) -> None:
    app = (
        "def application(environ, start_response):\n"
        "    start_response('418 Teapot', [('Content-Type', 'text/plain'), ('X-A', 'b')])\n"
        "    return [b'short']\n"
    )
    site = write(tmp_path / "site", {"web.config": wsgi_site(), "app.py": app})
    folder = tmp_path / "traces"
    with LiveServer(site, ["--freb", str(folder)]) as server:
        answer = server.raw(
            f"GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
            + b"GET /z HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        assert "every status from 400 on" in server.log()
    one, other = traces_of(folder)
    assert one["url"] == f"http://127.0.0.1:{server.port}/x?y=1"
    assert other["url"] == f"http://h:{server.port}/z"
    end = next(one.named("GENERAL_REQUEST_END"))
    first = answer[: answer.index(b"HTTP/1.1 418", 10)]
    assert int(end["BytesSent"]) == len(first)
    assert (end["HttpStatus"], one.events[-1].name) == ("418", "GENERAL_REQUEST_END")
    block = next(one.named("GENERAL_RESPONSE_HEADERS"))["Headers"]
    assert "X-A: b\r\n" in block and "Content-Length" not in block
    assert trace_replay.compare(one, Site(site)).difference is None


def test_bytes_of_files(tmp_path: Path) -> None:
    config = web_config(TRACING.format("", "200-599"))
    site = write(tmp_path / "site", {"web.config": config, "a.css": "x" * 1000})
    folder = tmp_path / "traces"
    request = b"GET /a.css HTTP/1.1\r\nHost: h\r\nx-own: 1\r\n\r\n"
    with LiveServer(site, ["--freb", str(folder)]) as server:
        answer = server.raw(request + b"GET /a.css HTTP/1.0\r\n\r\n")
    # which of the two is written first does not matter
    ends = [next(trace.named("GENERAL_REQUEST_END")) for trace in traces_of(folder)]
    end = max(ends, key=lambda end: int(end["BytesReceived"]))
    assert int(end["BytesReceived"]) == len(request)
    assert int(end["BytesSent"]) == answer.index(b"HTTP/1.1 200", 10)


def test_areas_and_statuses(tmp_path: Path) -> None:
    config = web_config(RULES + TRACING.format("Rewrite", "404.0"))
    site = write(tmp_path / "site", {"web.config": config, "a.css": "y"})
    folder = tmp_path / "traces"
    with LiveServer(site, ["--freb", str(folder), "--measured-only"]) as server:
        for path in ("/a.css", "/missing", "/web.config", "/old/missing"):
            server.get(path)
    one, other = traces_of(folder)
    assert {event.area for event in one.events} == {"IISGeneral", "Rewrite"}
    assert one["triggerStatusCode"] == "404"
    assert not any(event.name.startswith("FCGIEMU_") for event in other.events)


def test_numbers_go_on(tmp_path: Path) -> None:
    site = write(tmp_path / "site", {"a.css": ""})
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / "fr000041.xml").write_text("somebody else's")
    with LiveServer(site, ["--freb", str(folder)]) as server:
        server.get("/missing")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("fr000041.xml", "fr000042.html", "fr000042.xml"),
    ]
    assert (folder / "fr000042.xml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("make", [lambda site: site / "logs", lambda site: site / "web.config"])
def test_folders_that_cannot_be(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    site = write(tmp_path / "site", {"web.config": web_config()})
    command = [sys.executable, "-m", "fcgiemu", "serve", str(site), "--port", "0", "--freb"]
    done = subprocess.run(
        [*command, str(make(site))], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert "--freb" in done.stderr and "Traceback" not in done.stderr


def test_the_command_reads_them(tmp_path: Path) -> None:
    site = write(tmp_path / "site", {"a.css": ""})
    folder = tmp_path / "traces"
    with LiveServer(site, ["--freb", str(folder)]) as server:
        server.get("/missing")
    command = [sys.executable, "-m", "fcgiemu", "freb", str(folder), "--site", str(site), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, hold("freb-site", done.stdout)["same"]) == (0, True)
