"""``explain`` and ``serve`` say the same: every golden case and the URLs of the samples are asked
both, and status, substatus, headers and body are compared.

The server runs in this process, over real sockets; its client comes from 127.0.0.2, so that it gets
what remote clients get. What a program answers is not known to ``explain`` and not compared.
DIFFERENCES are those that have a reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcgiemu.errors import SiteError
from fcgiemu.http.url import UrlRefused
from fcgiemu.server import single_request
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..cases import golden
from ..sites import write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is Linux's only")

SAMPLES = Path(__file__).parents[2] / "samples"
#: Outcomes that another program answers.
PROGRAMS = {"fastcgi", "httpPlatform", "iisnode", "aspNetCore", "proxy"}
#: Headers that HTTP.sys adds, or that tell the moment.
_OWN = {"date", "connection", "transfer-encoding"}
#: URLs that every site can be asked for.
URLS = (
    *("/", "/static/site.css", "/web.config", "/bin/x", "/static", "/static/", "/a%2e%2e/..%2f"),
    *("/%zz", "/index.html", "/missing.css", "/a/b/c?x=1", "/old-page", "/robots.txt"),
)
#: The address of a client that gets what remote ones get.
CLIENT = "127.0.0.2"
#: Cases that differ, and why.
DIFFERENCES: dict[str, str] = {}


def cases() -> Iterator[tuple[str, golden.Case]]:
    for path in sorted(golden.FOLDER.glob("rewrite/*.txt")):
        for case in golden.read(path):
            if not case.skip and case.response is None and not case.variables:
                yield f"{path.stem}:{case.name}", case


def compare(site: Site, case: golden.Case) -> str:
    """What differs between explain and serve; "" where nothing does."""
    explained: Any = site.explain(
        case.url, case.method, case.headers, remote_addr=CLIENT, events=False
    )
    outcome = explained["outcome"]
    if outcome["kind"] in PROGRAMS or outcome.get("error_page", {}).get("status", 1) is None:
        return ""
    try:
        answer = single_request.ask(
            site, case.url, case.method, case.headers.items(), client=CLIENT
        )
    except UrlRefused:
        return ""  # http.sys has refused it in explain as well
    if not answer.status or outcome["kind"] == "abort":
        return "" if not answer.status and outcome["kind"] == "abort" else f"{answer} {outcome}"
    status, body = answer.status, answer.body
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    response = explained.get("response")
    wanted = response["status"] if response else outcome["status"]
    if status != wanted:
        return f"serve {status}, explain {wanted}"
    if "error_page" not in outcome and answer.substatus != outcome["substatus"]:
        return f"serve .{answer.substatus}, explain .{outcome['substatus']}"
    if response is None:
        return ""
    sent = {name: value for name, value in headers.items() if name.lower() not in _OWN}
    said = {name: value for name, value in response["headers"].items() if name.lower() not in _OWN}
    if "Detailed Error" in response["body"]:  # it names the port
        sent["Content-Length"] = said["Content-Length"]
    if sent != said:
        return f"serve {sent}, explain {said}"
    if list(sent) != list(said):
        return f"serve sends {list(sent)}, explain says {list(said)}"
    text = _without_port(body.decode("utf-8", "replace"))
    wanted_text = _without_port(response["body"])
    return "" if text == wanted_text else f"serve {text!r}, explain {wanted_text!r}"


def _without_port(text: str) -> str:
    """A detailed page without the port that was asked: the test's server has one of its own."""
    return re.sub(r"(://[\w.-]+):\d+", r"\1", text)


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_golden_cases(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = tmp_path / "site"
    folder.mkdir()
    write(folder, case.files)
    host = tmp_path / "applicationHost.config" if case.host else None
    if host is not None:
        host.write_text(case.host, "utf-8")
    providers = {
        provider: (lambda argument, table=table: table.get(argument, ""))
        for provider, table in case.providers.items()
    }
    site = Site(folder, Settings(strict=True, host_config=host, providers=providers))
    difference = compare(site, case)
    if name in DIFFERENCES:
        assert difference, f"{name} does not differ any more"
    else:
        assert difference == ""


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
@pytest.mark.parametrize("url", URLS)
def test_the_samples(sample: str, url: str) -> None:
    assert compare(Site(SAMPLES / sample), golden.Case("", 0, url=url)) == ""


def compare_folder(folder: Path) -> None:
    """Every site below a folder, by URLs that most sites have: for configurations that are not part
    of this repository. ``python -m tests.live.test_explain_equals_serve FOLDER``
    """
    asked = different = 0
    for config in sorted(folder.rglob("[Ww]eb.config")):
        for url in URLS:
            asked += 1
            try:
                difference = compare(
                    Site(config.parent, Settings(arr=True)), golden.Case("", 0, url=url)
                )
            except SiteError as error:
                difference = str(error)
            if difference:
                different += 1
                print(f"{config.parent} {url}: {difference[:400]}")
    print(f"{asked} asked, {different} different")


if __name__ == "__main__":
    compare_folder(Path(sys.argv[1]))
