"""The pipeline over real HTTP, one table: a site whose folders each hold the configuration of some
rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ..sites import PROCESSOR, web_config, write, wsgi_site
from .server import Answer, LiveServer

APP = """
def application(environ, start_response):
    if environ["PATH_INFO"].endswith("missing"):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the application's own page"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("python URL=%(URL)s PATH_INFO=%(PATH_INFO)s QUERY_STRING=%(QUERY_STRING)s" % environ).encode()]
"""
FILETIME_EPOCH = 116444736000000000


def add(name: str, path: str, more: str = "", verb: str = "*") -> str:
    return (
        f'<add name="{name}" path="{path}" verb="{verb}" modules="FastCgiModule" scriptProcessor="{PROCESSOR}" '
        f'resourceType="Unspecified" {more} />'
    )


def handlers(inner: str) -> str:
    return web_config(f"<handlers>{inner}</handlers>")


STATIC = '<add name="{}" path="{}" verb="*" modules="StaticFileModule" resourceType="File" requireAccess="Read" />'
FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "web.config": wsgi_site(path="handler.fcgi"),
    "page.txt": "0123456789",
    "data.json": "{}",
    "odd.unknown": "",
    "empty.txt": "",
    "needs-file/web.config": handlers(
        '<remove name="Python" />' + add("NeedsFile", "handler.fcgi").replace("Unspecified", "File")
    ),
    "app/web.config": handlers(add("All", "*")),
    "app/static/web.config": handlers("<clear />" + STATIC.format("StaticFile", "*")),
    "app/static/x.css": "css",
    "order/web.config": handlers(
        add("First", "*.aa")
        + STATIC.format("Second", "*.aa")
        + '<remove name="StaticFile" />'
        + STATIC.format("StaticFile", "*.bb")
        + add("Fresh", "*.bb")
    ).replace(
        "</handlers>",
        '</handlers><staticContent><mimeMap fileExtension=".aa" mimeType="text/aa" />'
        '<mimeMap fileExtension=".bb" mimeType="text/bb" /></staticContent>',
    ),
    "order/a.aa": "x",
    "order/a.bb": "y",
    "order/child/web.config": handlers(STATIC.format("Third", "*.aa")),
    "order/child/a.aa": "child",
    "none/web.config": handlers("<clear />"),
    "none/a.txt": "",
    "verb/web.config": handlers(add("Lower", "*", verb="get")),
    "verb/a.txt": "static",
    "rules/web.config": web_config(
        '<rewrite><rules><rule name="r"><match url="^pub$" />'
        '<action type="Rewrite" url="App_Data/x.txt" /></rule></rules></rewrite>'
    ),
    "rules/App_Data/x.txt": "",
    "x.config": "",
    "bin/a": "",
    "App_Data/x": "",
    "mime/web.config": web_config(
        '<staticContent><mimeMap fileExtension=".json" mimeType="application/json" /></staticContent>'
        f"<handlers>{add('Mime', '*.fcgi')}</handlers>"
    ),
    "mime/a.txt": "",
    "typo/web.config": web_config(
        '<security><requestFiltering allowDoubleEscaping="flase" /></security>'
    ),
    "dir/": "",
    "listed/web.config": web_config('<directoryBrowse enabled="true" />'),
    "listed/seen.txt": "",
    "dated/a.txt": "a",
    "dated/b.txt": "b",
    "blank/web.config": "\n<?xml version='1.0'?><configuration />",
    "headers/web.config": web_config(
        '<httpProtocol><customHeaders><add name="X-Mine" value="1" /></customHeaders></httpProtocol>'
        '<httpRedirect enabled="false" />'
    ),
    "headers/a.txt": "a",
    "headers/folder/": "",
    "headers/again/web.config": web_config(
        '<httpProtocol><customHeaders><add name="x-mine" value="2" /></customHeaders>'
        "</httpProtocol>"
    ),
    **{
        f"errors-{mode}-{existing}/web.config": web_config(
            f'<httpErrors errorMode="{mode}" existingResponse="{existing}" /><handlers>{add("E", "*")}</handlers>'
        )
        for mode in ("Custom", "Detailed")
        for existing in ("Auto", "Replace", "PassThrough")
    },
}

#: number of the requirement, method, target, headers, status, substatus on the detailed page ("" =
#: not looked at), text of the answer
TABLE: list[tuple[int, str, str, dict[str, str], int, str, str]] = [
    (
        1,
        "GET",
        "/handler.fcgi/foo/bar",
        {},
        200,
        "",
        "python URL=/handler.fcgi PATH_INFO=/handler.fcgi/foo/bar",
    ),
    (2, "GET", "/needs-file/handler.fcgi/foo", {}, 404, "0", "NeedsFile"),
    (3, "GET", "/sub/handler.fcgi", {}, 200, "", "python URL=/sub/handler.fcgi"),
    (4, "GET", "/app/static/x.css", {}, 200, "", "css"),
    (4, "GET", "/app/anything", {}, 200, "", "python"),
    (5, "GET", "/order/a.aa", {}, 200, "", "python"),
    (5, "GET", "/order/child/a.aa", {}, 200, "", "child"),
    (6, "GET", "/order/a.bb", {}, 200, "", "python"),
    (7, "GET", "/none/a.txt", {}, 404, "4", ""),
    (8, "GET", "/verb/a.txt", {}, 200, "", "static"),
    (9, "GET", "/web.config", {}, 404, "8", ""),
    (9, "GET", "/x.config", {}, 404, "7", ""),
    (9, "GET", "/bin/a", {}, 404, "8", ""),
    (9, "GET", "/App_Data/x", {}, 404, "8", ""),
    (10, "GET", "/rules/pub", {}, 404, "8", ""),
    (11, "GET", "/a+b", {}, 404, "11", ""),
    (11, "GET", "/a%2520b", {}, 404, "11", ""),
    (11, "GET", "/handler.fcgi?q=a+b", {}, 200, "", "QUERY_STRING=q=a+b"),
    (12, "POST", "/page.txt", {"Content-Length": "0"}, 405, "0", ""),
    (12, "PUT", "/page.txt", {"Content-Length": "0"}, 405, "0", ""),
    (12, "OPTIONS", "/page.txt", {}, 200, "", ""),
    (12, "TRACE", "/page.txt", {}, 501, "0", ""),
    (12, "POST", "/page.txt", {}, 411, "", "The request must be chunked or have a content length."),
    (12, "BREW", "/page.txt", {}, 405, "0", ""),
    (12, "get", "/page.txt", {}, 405, "0", ""),
    (13, "POST", "/handler.fcgi", {"Content-Length": "30000001"}, 413, "1", ""),
    (14, "GET", "/" + "/".join(["a" * 256] * 16), {}, 404, "14", ""),
    (14, "GET", "/page.txt?" + "q" * 2049, {}, 404, "15", ""),
    (14, "GET", "/" + "a" * 261, {}, 400, "", "The request URL is invalid."),
    (14, "GET", "/a" * 33, {}, 404, "20", ""),
    (15, "GET", "/odd.unknown", {}, 404, "3", ""),
    (
        15,
        "GET",
        "/data.json",
        {},
        200,
        "",
        "{}",
    ),  # the MIME map of IIS 10; older ones are not emulated
    (16, "GET", "/mime/a.txt", {}, 500, "19", "0x800700b7"),
    (16, "GET", "/mime/a.fcgi", {}, 200, "", "python"),
    (
        17,
        "GET",
        "/typo/",
        {},
        500,
        "19",
        "Boolean must be either &#39;true&#39; or &#39;false&#39;",
    ),
    (19, "GET", "/dir/", {}, 403, "14", ""),
    (19, "GET", "/listed/", {}, 200, "", "seen.txt"),
    (21, "GET", "/page.txt", {"If-None-Match": "*"}, 304, "", ""),
    (
        21,
        "GET",
        "/page.txt",
        {"If-Modified-Since": "Mon, 01 Jan 1990 00:00:00 GMT"},
        200,
        "",
        "0123456789",
    ),
    (
        21,
        "GET",
        "/page.txt",
        {"If-Modified-Since": "Fri, 31 Dec 2100 00:00:00 GMT"},
        200,
        "",
        "0123456789",
    ),
    (21, "GET", "/page.txt", {"Range": "bytes=2-4"}, 206, "", "234"),
    (21, "GET", "/page.txt", {"Range": "bytes=-2"}, 206, "", "89"),
    (21, "GET", "/page.txt", {"Range": "bytes=8-"}, 206, "", "89"),
    (21, "GET", "/page.txt", {"Range": "bytes=0-1,4-5"}, 206, "", "Content-Range: bytes 4-5/10"),
    (21, "GET", "/page.txt", {"Range": "bytes=20-"}, 416, "0", ""),
    (21, "GET", "/page.txt", {"Range": "lines=1-2"}, 200, "", "0123456789"),
    (21, "GET", "/page.txt", {"Range": "bytes=0-0,1-1,2-2,3-3,4-4,5-5"}, 200, "", "0123456789"),
    (22, "GET", "/errors-Custom-Auto/missing", {}, 404, "", "The resource you are looking for"),
    (22, "GET", "/errors-Custom-Replace/missing", {}, 404, "", "The resource you are looking for"),
    (22, "GET", "/errors-Custom-PassThrough/missing", {}, 404, "", "the application's own page"),
    (22, "GET", "/errors-Detailed-Auto/missing", {}, 404, "", "the application's own page"),
    (22, "GET", "/errors-Detailed-PassThrough/missing", {}, 404, "", "the application's own page"),
    (24, "GET", "/..", {}, 403, "", "The request URL is forbidden."),
    (24, "GET", "/%2e%2e/", {}, 403, "", "The request URL is forbidden."),
    (24, "GET", "/dir/../page.txt", {}, 200, "", "0123456789"),
    (24, "GET", "/app%5cstatic%5Cx.css", {}, 200, "", "css"),
    (24, "GET", "/%00", {}, 400, "", "The request URL is invalid."),
    (25, "GET", "/blank/", {}, 500, "19", "0x8007000d"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    site = write(tmp_path_factory.mktemp("conformance"), FILES)
    for name, filetime in (("a", 0x01CED36B4204A159), ("b", 0x01D475963AC4CA42)):
        os.utime(site / f"dated/{name}.txt", ns=(0, (filetime - FILETIME_EPOCH) * 100))
    with LiveServer(site) as running:
        yield running


@pytest.mark.parametrize(
    ("number", "method", "target", "headers", "status", "substatus", "text"),
    TABLE,
    ids=[f"{row[0]}-{row[1]}-{row[2][:40]}" for row in TABLE],
)
def test_requirement(
    server: LiveServer,
    number: int,
    method: str,
    target: str,
    headers: dict[str, str],
    status: int,
    substatus: str,
    text: str,
) -> None:
    answer = server.request(method, target, headers=headers)
    assert answer.status == status, answer.text
    if substatus:
        assert f"Detailed Error - {status}.{substatus}" in answer.text
    assert text in answer.text


def test_headers_of_refusals_and_methods(server: LiveServer) -> None:
    allowed = server.request("OPTIONS", "/page.txt").headers
    assert allowed["allow"] == allowed["public"] == "OPTIONS, TRACE, GET, HEAD, POST"
    assert server.request("PUT", "/page.txt", b"").headers["allow"] == "GET, HEAD, OPTIONS, TRACE"
    assert (
        server.request("POST", "/handler.fcgi", headers={"Content-Length": "30000001"}).headers[
            "connection"
        ]
        == "close"
    )


def test_18_a_folder_without_its_slash(server: LiveServer) -> None:
    answer = server.get("/dir")
    location = f"http://127.0.0.1:{server.port}/dir/"
    assert (answer.status, answer.headers["location"], len(answer.body)) == (
        301,
        location,
        123 + len(location),
    )


def test_20_etags(server: LiveServer) -> None:
    assert server.get("/dated/a.txt").headers["etag"] == '"59a14426bd3ce1:0"'
    assert server.get("/dated/b.txt").headers["etag"] == '"42cac43a9675d41:0"'


def test_21_the_entity_tag_revalidates(server: LiveServer) -> None:
    tag = server.get("/dated/a.txt").headers["etag"]
    answer = server.request("GET", "/dated/a.txt", headers={"If-None-Match": tag})
    assert (answer.status, answer.body) == (304, b"")


def test_23_custom_headers_are_on_every_answer(server: LiveServer) -> None:
    answers: list[Answer] = [
        server.get("/headers/a.txt"),
        server.request("GET", "/headers/a.txt", headers={"If-None-Match": "*"}),
        server.get("/headers/folder"),
        server.get("/headers/web.config"),
    ]
    assert [answer.status for answer in answers] == [200, 304, 301, 404]
    assert [answer.headers.get("x-mine") for answer in answers] == ["1"] * 4
    assert server.get("/headers/again/a").status == 500
