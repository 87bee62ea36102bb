"""Logs through processes, Dask and parts: the same report byte for byte, also after an end in the
middle; and the page in a browser.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fcgiemu import Settings, Site, SiteError, logs
from fcgiemu.diff import report
from fcgiemu.logs.run import Options, place

from ..logs import w3c, write_w3c
from ..sites import rules, write

OLD = rules(
    '<rule name="q"><match url="^item/(.*)" /><conditions>'
    '<add input="{QUERY_STRING}" pattern="id=1" /></conditions>'
    '<action type="Redirect" url="/old/{R:1}" /></rule>'
    '<rule name="unused"><match url="^never$" /><action type="AbortRequest" /></rule>'
)
NEW = rules(
    '<rule name="q"><match url="^item/(.*)" /><conditions>'
    '<add input="{QUERY_STRING}" pattern="id=[12]" /></conditions>'
    '<action type="Redirect" url="/new/{R:1}" /></rule>'
    '<rule name="gone"><match url="^gone" /><action type="CustomResponse" statusCode="410" /></rule>'
)
ALWAYS = Options(jobs=2, small_text=0, small_counts=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "old/web.config": OLD,
            "new/web.config": NEW,
            "old/static/a.css": "",
            "new/static/a.css": "",
        },
    )
    for number in range(3):
        write_w3c(tmp_path / "logs" / f"u_ex{number}.log", 4000, number, messy=number > 0)
    return tmp_path


def compared(folder: Path, options: Options, save: Path | None = None) -> str:
    sites = [Site(folder / name, Settings()) for name in ("old", "new")]
    with place(options) as work:
        counted = logs.count([str(folder / "logs")], sites, work, options)
        return report.FORMATS["json"](logs.decide(counted, *sites, options, save))


needs_duckdb = pytest.mark.skipif(
    importlib.util.find_spec("duckdb") is None, reason="duckdb is not installed"
)


@needs_duckdb
@pytest.mark.parametrize("kind", ["text", "junit", "html"])
def test_every_way_gives_the_same_report(folder: Path, kind: str) -> None:
    here = compared(folder, replace(ALWAYS, jobs=1, engine="lines"))
    found = json.loads(here)
    assert found["complete"] and found["asked"] > 10_000 and found["changed"] > 0
    assert found["asked"] + found["skipped"] == sum(
        bool(line.strip()) and not line.startswith(b"#")
        for path in (folder / "logs").iterdir()
        for line in path.read_bytes().split(b"\n")
    )
    assert found["unused_rules"] == [] and found["removable_rules"] == []
    for options in (
        replace(ALWAYS, jobs=1, engine="duckdb"),
        replace(ALWAYS, engine="duckdb", memory=200 << 20),
        replace(ALWAYS, engine="lines", memory=1 << 20),
    ):
        assert compared(folder, options) == here


def test_parts_of_several_machines(folder: Path) -> None:
    whole = compared(folder, ALWAYS)
    parts = [folder / f"part{number}.json" for number in (1, 2, 3, 4)]
    for number, path in enumerate(parts, 1):
        compared(folder, replace(ALWAYS, part=(number, 4)), path)
    assert report.FORMATS["json"](logs.merge(parts[::-1])) == whole
    some = logs.merge(parts[:2])
    assert not some.complete and "missing parts: 3, 4 of 4" in some.notes
    with pytest.raises(SiteError, match="are both part 1"):
        logs.merge([parts[0], parts[0]])
    (folder / "new" / "web.config").write_text(OLD)
    compared(folder, replace(ALWAYS, part=(1, 4)), folder / "other.json")
    with pytest.raises(SiteError, match="compares something else"):
        logs.merge([folder / "other.json", parts[1]])
    parts[0].write_bytes(parts[0].read_bytes()[:-500])
    with pytest.raises(SiteError, match="cut short or damaged"):
        logs.merge(parts)
    for data in ("", "{}", "[1]"):
        parts[0].write_text(data)
        with pytest.raises(SiteError, match="is not a part"):
            logs.merge(parts)


def test_a_checkpoint_serves_again_and_notices_changes(folder: Path) -> None:
    options = replace(ALWAYS, jobs=1, checkpoint=folder / "work")
    first = compared(folder, options)
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "work").rglob("*.*")}
    assert compared(folder, options) == first
    assert {path: path.stat().st_mtime_ns for path in (folder / "work").rglob("*.*")} == stamps
    (folder / "new" / "web.config").write_text(OLD)
    assert json.loads(compared(folder, options))["changed"] == 0
    with (folder / "logs" / "u_ex0.log").open("ab") as stream:
        stream.write(b"".join(w3c(5, 9)))
    assert json.loads(compared(folder, options))["asked"] == json.loads(first)["asked"] + 5


# -- the command -----------------------------------------------------------------------------------


def command(folder: Path, *arguments: str) -> list[str]:
    named = [str(folder / "old"), str(folder / "new"), "--log", str(folder / "logs")]
    return [sys.executable, "-m", "fcgiemu", "diff", *named, "--format", "json", *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(folder, *arguments), capture_output=True, timeout=300)


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)
def test_dask(folder: Path) -> None:
    alone = run(folder, "--jobs", "1")
    found = run(folder, "--dask", "local", "--jobs", "2")
    assert found.returncode == 1, found.stderr.decode()
    assert found.stdout == alone.stdout
    nobody = run(folder, "--dask", "tcp://127.0.0.1:1", "--checkpoint", str(folder / "work"))
    assert nobody.returncode == 2 and b"There is no scheduler of Dask at" in nobody.stderr
    assert b"Name it with --checkpoint DIR" in run(folder, "--dask", "tcp://127.0.0.1:1").stderr


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until something holds; fails after a while."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def stopped(folder: Path) -> Iterator[Callable[[int], tuple[int, bytes]]]:
    """Starts the command on a larger log, and sends a signal once some sections are decided."""
    write_w3c(folder / "logs" / "large.log", 60_000, 5)
    started: list[subprocess.Popen[bytes]] = []

    def stop(number: int) -> tuple[int, bytes]:
        process = subprocess.Popen(
            command(folder, "--jobs", "2", "--checkpoint", str(folder / "work")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        have = len(list((folder / "work").glob("decided-*/*.json")))
        wait_for(lambda: len(list((folder / "work").glob("decided-*/*.json"))) > have + 3)
        process.send_signal(number)
        output, _ = process.communicate(timeout=120)
        wait_for(lambda: not _session(process.pid))
        return process.returncode, output

    yield stop
    for process in started:
        process.kill()
        process.communicate()


def _session(leader: int) -> list[int]:
    """The processes that are left of a session, but for those that only wait to be reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_a_run_that_was_ended_goes_on(
    folder: Path, stopped: Callable[[int], tuple[int, bytes]]
) -> None:
    whole = run(folder, "--jobs", "1")
    assert stopped(signal.SIGKILL)[0] == -signal.SIGKILL
    code, output = stopped(signal.SIGINT)
    found = json.loads(output)
    assert code == 130 and not found["complete"] and found["asked"] > 0
    decided = {path: path.stat().st_mtime_ns for path in (folder / "work").glob("decided-*/*.json")}
    again = run(folder, "--jobs", "2", "--checkpoint", str(folder / "work"))
    assert again.stdout == whole.stdout and again.returncode == 1
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in decided.items())


def test_standard_input_and_wrong_use(folder: Path) -> None:
    data = (folder / "logs" / "u_ex0.log").read_bytes()
    arguments = [sys.executable, "-m", "fcgiemu", "diff", str(folder / "old"), str(folder / "new")]
    piped = subprocess.run([*arguments, "--log", "-"], input=data, capture_output=True, timeout=120)
    assert piped.returncode == 1 and b" of 4000 change" in piped.stdout
    for wrong, words in (
        (["--log", str(folder / "none*.log")], b"There is no log"),
        (["--log", str(folder / "old" / "web.config")], b"no log format is known in it"),
        (["--log", "-", "--part", "3"], b"--part 3 is not K/N"),
        (["--log", "-", "--part", "4/3"], b"--part 4/3 is not K/N"),
        (["--log", "-", "--memory", "1K"], b"--memory 1K is not a size"),
        (["--log", "-", "--memory", "63.9MB"], b"--memory 63.9MB is not a size of 64 MB"),
        (["--log", str(folder / "none"), "--memory", "64MB"], b"There is no log"),
        (["--log", "-", "--ignore-kind", "x"], b"--ignore-kind x is not OLD:NEW"),
        (["--log", "-", "--log-encoding", "no-such"], b"is not an encoding"),
    ):
        found = subprocess.run([*arguments, *wrong], input=b"", capture_output=True, timeout=120)
        assert found.returncode == 2 and words in found.stderr, found.stderr


def test_expectations_from_a_log(folder: Path) -> None:
    write(
        folder,
        {
            "logs/secret.log": "#Fields: cs-uri-stem cs-uri-query sc-status\n"
            + "/x token=abcdef 200\n" * 9000
        },
    )
    arguments = [sys.executable, "-m", "fcgiemu", "test", "--site", str(folder / "old")]
    made = subprocess.run(
        [*arguments, "--from-log", str(folder / "logs"), "--top", "20"],
        capture_output=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    text = (folder / "old" / "log.expect").read_text()
    assert "token" not in text and text.count(" -> ") == 20 and "; the log shows" in text
    assert subprocess.run(arguments, capture_output=True, timeout=120).returncode == 0


# -- the page --------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_in_chromium(folder: Path, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page_file = tmp_path / "page.html"
    run(folder, "--format", "html", "--output", str(page_file))
    found = json.loads(run(folder).stdout)
    asked: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page = browser.new_page(viewport={"width": 800, "height": 600})
            page.on("request", lambda request: asked.append(request.url))
            page.goto(page_file.as_uri())
            flows = page.eval_on_selector_all(
                "path.flow",
                "found => found.map(one => ({...one.dataset, height: one.getBBox().height}))",
            )
            assert sum(int(flow["count"]) for flow in flows) == found["asked"]
            assert all(flow["height"] > 0 for flow in flows)
            labels = page.eval_on_selector_all(
                "svg text", "found => found.map(one => one.getBoundingClientRect().toJSON())"
            )
            assert not any(map(_overlap, labels, labels[1:]))
            assert page.locator("#changes tr.row").count() == len(found["changes"])
            page.locator("#changes summary").first.click()
            assert page.locator("#changes code").first.is_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 800 and asked == [page_file.as_uri()]
        finally:
            browser.close()


def _overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["left"] < other["right"] - 1
        and other["left"] < one["right"] - 1
        and one["top"] < other["bottom"] - 1
        and other["top"] < one["bottom"] - 1
    )


def test_progress_is_shown_on_a_terminal_only(folder: Path) -> None:
    assert run(folder).stderr == b""
    master, slave = os.openpty()
    with os.fdopen(master, "rb", closefd=True) as terminal:
        process = subprocess.Popen(
            command(folder),
            stdout=subprocess.DEVNULL,
            stderr=slave,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(slave)
        shown = io.BytesIO()
        try:
            while data := os.read(terminal.fileno(), 65536):
                shown.write(data)
        except OSError:
            pass  # the other end is closed
        assert process.wait(60) == 1
    assert b"deciding" in shown.getvalue() and b"requests" in shown.getvalue()
