"""The disk as Windows would show it, and what is served from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fcgiemu.decision import ServeFile
from fcgiemu.diagnosis.check import check
from fcgiemu.errors import SiteError
from fcgiemu.files import MAX_TOLD, FileEntry, FileView, read_bounded, read_text
from fcgiemu.http.request import make_request
from fcgiemu.init.recognise import recognise
from fcgiemu.modules.responses import made_by_iis
from fcgiemu.modules.static_file import BOUNDARY, StaticContent, etag, parse_ranges, respond
from fcgiemu.reload import is_ignored, plan, restart_pattern, restarts
from fcgiemu.site import Site

from ..sites import POSIX_ONLY, python_handler, web_config, write


@pytest.fixture
def view(tmp_path: Path) -> FileView:
    write(
        tmp_path,
        {
            "site/Static/Site.CSS": "x",
            "site/a.txt": "1",
            "outside.txt": "secret",
            "outside/b.txt": "",
        },
    )
    (tmp_path / "site" / "link.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "site" / "links").symlink_to(tmp_path / "outside")
    (tmp_path / "site" / "inside.txt").symlink_to(tmp_path / "site" / "a.txt")
    return FileView(str(tmp_path / "site"))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a.txt", "a.txt"),
        ("/A.TXT", "a.txt"),
        ("/static/site.css", "Static/Site.CSS"),
        ("/STATIC", "Static"),
        ("/", ""),
        ("/inside.txt", "inside.txt"),
        ("/link.txt", None),
        ("/links/b.txt", None),
        ("/../outside.txt", None),
        ("/missing", None),
        ("/a.txt.", None),
        ("/a.txt ", None),
        ("/a.txt::$DATA", None),
        ("/a.txt:x", None),
        ("/con", None),
        ("/NUL.txt", None),
        ("/a?txt", None),
        ("/a*", None),
        ("/a.txt/b", None),
    ],
)
def test_names(view: FileView, path: str, found: str | None) -> None:
    entry = view.find(path)
    assert (view.relative(entry) if entry else None) == found


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        ("/static/site.css", "/Static/Site.CSS"),
        ("/STATIC/other.css", "/Static/other.css"),
        ("/Static/Site.CSS/Path/Info", "/Static/Site.CSS/Path/Info"),
        ("/static/SITE.css/Path/Info", "/Static/Site.CSS/Path/Info"),
        ("/static/", "/Static/"),
        ("/Missing/x", "/Missing/x"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_the_spelling_on_disk(view: FileView, path: str, spelled: str) -> None:
    assert view.spelled(path) == view.root + spelled


@pytest.mark.parametrize(
    ("name", "has_told"),
    [
        ("static/new.css", True),
        ("Static/NEW.css", True),
        ("static", True),
        ("static/new.css/Path", False),
        ("static/ne", False),
        ("other.css", False),
    ],
)
def test_whose_spelling_has_been_told(view: FileView, name: str, has_told: bool) -> None:
    assert not view.has_told(name)
    view.spelled("/static/New.css")
    assert view.has_told(name) is has_told
    assert view.has_told("static/new.css") is not has_told


def test_more_names_than_are_known_one_by_one(view: FileView) -> None:
    for number in range(MAX_TOLD + 1):
        view.spelled(f"/{number}")
    assert view.has_told("any")
    assert not view.has_told("any")


def test_a_new_file_is_found_at_once(view: FileView) -> None:
    assert view.find("/New.txt") is None
    (Path(view.root) / "new.TXT").write_text("")
    assert view.find("/New.txt") is not None


@pytest.mark.parametrize(
    ("filetime", "text"),
    [
        (0x01CED36B4204A159, '"59a14426bd3ce1:0"'),
        (0x01D475963AC4CA42, '"42cac43a9675d41:0"'),
    ],
)
def test_etag_is_the_one_of_iis(filetime: int, text: str) -> None:
    assert etag((filetime - 116444736000000000) * 100) == text


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("bytes=0-0", ([(0, 1)], 0)),
        ("bytes=5-", ([(5, 10)], 0)),
        ("bytes=-3", ([(7, 10)], 0)),
        ("bytes=-30", ([(0, 10)], 0)),
        ("bytes=2-4, 8-20", ([(2, 5), (8, 10)], 0)),
        ("bytes=10-", ([], 1)),
        ("bytes=-0", ([], 1)),
        ("bytes=4-2", None),
        ("bytes=a-b", None),
        ("bytes=", None),
        ("lines=0-1", None),
        ("bytes=--1", None),
    ],
)
def test_ranges(text: str, ranges: object) -> None:
    assert parse_ranges(text, 10) == ranges


ENTRY = FileEntry("/site/a.txt", False, 10, 1_700_000_000_500_000_000)
CONTENT = StaticContent({}, (), True, b"", False)
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "method", "status", "ranges"),
    [
        ({}, "GET", 200, ((0, 10),)),
        ({}, "HEAD", 200, ()),
        ({"If-None-Match": etag(ENTRY.mtime_ns)}, "GET", 304, ()),
        ({"If-None-Match": "*"}, "GET", 304, ()),
        ({"If-None-Match": "W/" + etag(ENTRY.mtime_ns)}, "GET", 304, ()),
        ({"If-None-Match": '"x"', "If-Modified-Since": MODIFIED}, "GET", 200, ((0, 10),)),
        ({"If-Modified-Since": MODIFIED}, "GET", 304, ()),
        ({"If-Modified-Since": "Mon, 13 Nov 2023 00:00:00 GMT"}, "GET", 200, ((0, 10),)),
        (
            {"If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"},
            "GET",
            200,
            ((0, 10),),
        ),  # the future is ignored
        ({"If-Modified-Since": "garbage"}, "GET", 200, ((0, 10),)),
        ({"If-Match": '"x"'}, "GET", 412, ()),
        ({"If-Match": "*"}, "GET", 200, ((0, 10),)),
        ({"If-Unmodified-Since": "Mon, 13 Nov 2023 00:00:00 GMT"}, "GET", 412, ()),
        ({"Range": "bytes=2-4"}, "GET", 206, ((2, 5),)),
        ({"Range": "bytes=2-4"}, "HEAD", 200, ()),
        ({"Range": "bytes=20-"}, "GET", 416, ()),
        (
            {"Range": "bytes=0-0,2-2,4-4,6-6,8-8"},
            "GET",
            206,
            ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9)),
        ),
        ({"Range": "bytes=0-0,1-1,2-2,3-3,4-4,5-5"}, "GET", 200, ((0, 10),)),  # more than five
        ({"Range": "bytes=2-4", "If-Range": '"x"'}, "GET", 200, ((0, 10),)),
        ({"Range": "bytes=2-4", "If-Range": etag(ENTRY.mtime_ns)}, "GET", 206, ((2, 5),)),
        ({"Range": "bytes=2-4", "If-Range": MODIFIED}, "GET", 206, ((2, 5),)),
    ],
)
def test_conditions_and_ranges(
    headers: dict[str, str], method: str, status: int, ranges: object
) -> None:
    answer = respond(
        ServeFile(ENTRY, "text/plain"), CONTENT, make_request("/a.txt", method, headers), NOW
    )
    assert (answer.status, answer.ranges) == (status, ranges)
    if status == 206 and answer.multipart:
        assert dict(answer.headers)["Content-Type"] == f"multipart/byteranges; boundary={BOUNDARY}"


@pytest.mark.parametrize(
    ("cache", "headers"),
    [
        (
            "cacheControlMode='UseMaxAge' cacheControlMaxAge='7.00:00:00'",
            [("Cache-Control", "max-age=604800")],
        ),
        ("cacheControlMode='DisableCache'", [("Cache-Control", "no-cache")]),
        ("cacheControlCustom='public'", [("Cache-Control", "public")]),
        (
            "cacheControlMode='UseMaxAge' cacheControlMaxAge='00:00:30' cacheControlCustom='public'",
            [("Cache-Control", "public,max-age=30")],
        ),
        (
            "cacheControlMode='UseExpires' httpExpires='Tue, 19 Jan 2038 03:14:07 GMT'",
            [("Expires", "Tue, 19 Jan 2038 03:14:07 GMT")],
        ),
        ("setEtag='false'", []),
    ],
)
def test_client_cache(
    cache: str, headers: list[tuple[str, str]], make_site: Callable[..., Site]
) -> None:
    from fcgiemu.modules.static_file import static_content

    site = make_site(
        {"web.config": web_config(f"<staticContent><clientCache {cache} /></staticContent>")}
    )
    content = site.effective("/").view(static_content)
    assert list(content.cache_headers) == headers and content.set_etag == ("setEtag" not in cache)


@pytest.mark.parametrize(
    ("handler_path", "url", "script", "path_info"),
    [
        ("handler.fcgi", "/handler.fcgi/foo/bar", "/handler.fcgi", "/foo/bar"),
        ("handler.fcgi", "/sub/HANDLER.fcgi", "/sub/HANDLER.fcgi", ""),
        ("handler.fcgi", "/xhandler.fcgi", None, None),
        ("*", "/a/b", "/a/b", ""),
        ("*.php", "/a/x.php/foo", "/a/x.php", "/foo"),
        ("*.php", "/x.phpx", None, None),
        ("*.", "/a/b", "/a/b", ""),
        ("*.", "/a.b", None, None),
        ("*ScriptResource.axd", "/MyScriptResource.axd", "/MyScriptResource.axd", ""),
        ("sub/m.axd", "/x/sub/m.axd", "/x/sub/m.axd", ""),
        ("sub/m.axd", "/xsub/m.axd", None, None),
        ("/only/*", "/only/a", "/only/a", ""),
        ("/only/*", "/x/only/a", None, None),
    ],
)
def test_handler_paths(
    handler_path: str,
    url: str,
    script: str | None,
    path_info: str | None,
    make_site: Callable[..., Site],
) -> None:
    from fcgiemu.decision import CallFastCgi

    site = make_site({"web.config": web_config(python_handler(handler_path))})
    action = site.decide(make_request(url)).action
    if script is None:
        assert not isinstance(action, CallFastCgi)
    else:
        assert isinstance(action, CallFastCgi)
        assert (action.script_name, action.path_info) == (script, path_info)


@pytest.mark.parametrize(
    ("attributes", "outcome"),
    [
        ({"resourceType": "File"}, (404, 0)),
        ({"requireAccess": "Write"}, (403, 3)),
        ({"preCondition": "bitness32"}, (404, 0)),
        ({"preCondition": "bogus"}, (500, 0)),
        ({"modules": "NoSuchModule"}, (500, 21)),
    ],
)
def test_handlers_that_do_not_run(
    attributes: dict[str, str], outcome: tuple[int, int], make_site: Callable[..., Site]
) -> None:
    config = web_config(python_handler("handler.fcgi"))
    for name, value in attributes.items():
        if f" {name}=" in config:
            before, _, after = config.partition(f' {name}="')
            config = before + after.partition('"')[2]
        config = config.replace(' path="handler.fcgi"', f' path="handler.fcgi" {name}="{value}"')
    answer = make_site({"web.config": config}).explain("/handler.fcgi")["outcome"]
    assert (answer["status"], answer["substatus"]) == outcome


@pytest.mark.parametrize(
    ("inner", "url", "method", "status"),
    [
        ("", "/web.config", "GET", "404.8"),
        ("", "/x.config", "GET", "404.7"),
        ("", "/bin/a", "GET", "404.8"),
        ("", "/App_Data/x", "GET", "404.8"),
        ("", "/a.cs/b", "GET", "404.7"),
        ("", "/a+b", "GET", "404.11"),
        ("", "/a%2520b", "GET", "404.11"),
        ("", "/x?q=a+b", "GET", "404.0"),
        ("", "/" + "a/" * 33, "GET", "404.20"),
        ("", "/x?" + "a" * 2049, "GET", "404.15"),
        ("", "/" + "/".join(["a" * 200] * 21), "GET", "404.14"),
        ("<requestFiltering allowDoubleEscaping='true' />", "/a+b", "GET", "404.0"),
        ("<requestFiltering allowHighBitCharacters='false' />", "/%C3%A9", "GET", "404.12"),
        (
            "<requestFiltering><verbs><add verb='PUT' allowed='false' /></verbs></requestFiltering>",
            "/x",
            "PUT",
            "404.6",
        ),
        (
            "<requestFiltering><verbs allowUnlisted='false'><add verb='GET' allowed='true' /></verbs></requestFiltering>",
            "/x",
            "get",
            "404.6",
        ),
        (
            "<requestFiltering><fileExtensions allowUnlisted='false' /></requestFiltering>",
            "/x",
            "GET",
            "404.7",
        ),
        (
            "<requestFiltering><hiddenSegments><remove segment='bin' /></hiddenSegments></requestFiltering>",
            "/bin/a",
            "GET",
            "404.0",
        ),
        (
            "<requestFiltering><denyUrlSequences><add sequence='..a' /></denyUrlSequences></requestFiltering>",
            "/x..a",
            "GET",
            "404.5",
        ),
        (
            "<requestFiltering><denyQueryStringSequences><add sequence='drop' /></denyQueryStringSequences></requestFiltering>",
            "/x?q=%64rop",
            "GET",
            "404.18",
        ),
        (
            "<requestFiltering><filteringRules><filteringRule name='r' scanUrl='true'><denyStrings><add string='bad' /></denyStrings>"
            "</filteringRule></filteringRules></requestFiltering>",
            "/xBADx",
            "GET",
            "404.19",
        ),
        (
            "<requestFiltering><filteringRules><filteringRule name='r' scanQueryString='true' /></filteringRules></requestFiltering>",
            "/x?q=100%&b",
            "GET",
            "404.19",
        ),
        (
            "<requestFiltering><filteringRules><filteringRule name='r' scanQueryString='true' denyUnescapedPercent='false' />"
            "</filteringRules></requestFiltering>",
            "/x?q=100%&b",
            "GET",
            "404.0",
        ),
    ],
)
def test_request_filtering(
    inner: str, url: str, method: str, status: str, make_site: Callable[..., Site]
) -> None:
    site = make_site({"web.config": web_config(f"<security>{inner}</security>")})
    outcome = site.explain(url, method)["outcome"]
    assert f"{outcome['status']}.{outcome['substatus']}" == status


@pytest.mark.parametrize(
    ("forwarded", "status", "substatus"),
    [
        ("", 404, 0),
        ("198.51.100.7", 404, 0),
        ("198.51.100.7, 203.0.113.9:5000", 403, 6),
        ("[2001:db8::1]:80", 404, 0),
        ("unknown", 400, 10),
    ],
)
def test_addresses_behind_a_proxy(
    make_site: Callable[..., Site], forwarded: str, status: int, substatus: int
) -> None:
    site = make_site(
        {
            "web.config": web_config(
                '<security><ipSecurity enableProxyMode="true"><add ipAddress="203.0.113.0" '
                'subnetMask="255.255.255.0" /></ipSecurity></security>'
            )
        }
    )
    outcome = site.explain("/x", headers={"X-Forwarded-For": forwarded})["outcome"]
    assert (outcome["status"], outcome["substatus"]) == (status, substatus)


@pytest.mark.parametrize(
    ("flags", "https", "status"),
    [
        ("Ssl", False, "403.4"),
        ("Ssl", True, "404.0"),
        ("Ssl, SslNegotiateCert, SslRequireCert", True, "403.7"),
        ("None", False, "404.0"),
        ("Ssl, Ssl128", False, "403.4"),
    ],
)
def test_ssl_flags(make_site: Callable[..., Site], flags: str, https: bool, status: str) -> None:
    site = make_site(
        {"web.config": web_config(f'<security><access sslFlags="{flags}" /></security>')}
    )
    outcome = site.explain("/x", https=https)["outcome"]
    assert f"{outcome['status']}.{outcome['substatus']}" == status


def test_the_host_of_a_courtesy_redirect(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "web.config": web_config('<serverRuntime alternateHostName="www.example.com" />'),
            "folder/": "",
        }
    )
    assert site.explain("/folder")["outcome"]["location"] == "http://www.example.com/folder/"


def test_a_default_error_page(make_site: Callable[..., Site]) -> None:
    gone = (
        '<rewrite><rules><rule name="gone"><match url=".*" /><action type="CustomResponse" statusCode="410" /></rule></rules>'
        '</rewrite><httpErrors errorMode="Custom" defaultPath="oops.txt" />'
    )
    site = make_site({"web.config": web_config(gone), "oops.txt": "mine"})
    assert site.explain("/x")["response"]["body"] == "mine"


def test_directories(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "dir/index.html": "",
            "empty/": "",
            "list/web.config": web_config("<directoryBrowse enabled='true' />"),
        }
    )
    redirect = site.explain("http://h:81/dir?x=1")
    assert (redirect["outcome"]["status"], redirect["outcome"]["location"]) == (
        301,
        "http://h:81/dir/?x=1",
    )
    assert len(redirect["response"]["body"]) == 123 + len("http://h:81/dir/?x=1")
    assert site.explain("/dir/")["outcome"]["file"] == "dir/index.html"
    empty = site.explain("/empty/")["outcome"]
    assert (empty["status"], empty["substatus"]) == (403, 14)
    assert site.explain("/list/")["outcome"]["kind"] == "directory"
    assert site.explain("/dir/index.html/")["outcome"]["status"] == 404
    assert site.explain("/dir/index.html", "POST")["outcome"]["status"] == 405


def test_watch_plan_leaves_out_what_is_large(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app/a.py": "",
            "app/sub/b.py": "",
            "front/node_modules/x/y.py": "",
            "front/src/z.py": "",
            "env/lib/q.py": "",
        },
    )
    watched = {str(path.relative_to(tmp_path)): recursive for path, recursive in plan(tmp_path)}
    assert watched == {".": False, "app": True, "front": False, os.path.join("front", "src"): True}
    assert plan(tmp_path / "app") == [(tmp_path / "app", True)]


@pytest.mark.parametrize(
    ("name", "setting", "result"),
    [
        ("a.py", None, True),
        ("sub/a.py", None, True),
        ("web.config", None, True),
        ("x.PY", None, False),
        ("x.pyc", None, False),
        ("a.html", None, False),
        ("a.py", "", False),
        ("a.html", r".*\.html$", True),
        ("sub/a.py", r"sub\\", True),
    ],
)
def test_restart_regex(name: str, setting: str | None, result: bool) -> None:
    assert restarts(name, restart_pattern(setting)) is result


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("env/lib/x.py", True),
        ("a/node_modules/x.js", True),
        (".git/HEAD", True),
        ("app/env.py", False),
        ("environment/x.py", False),
    ],
)
def test_ignored(name: str, ignored: bool) -> None:
    assert is_ignored(name) is ignored


def test_a_static_hit_asks_the_disk_once(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site({"web.config": web_config(), "static/site.css": "body {}"})
    request = make_request("/static/site.css")
    site.decide(request)
    calls: list[str] = []

    def counted(name: str, genuine: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            calls.append(name)
            return genuine(*args, **more)

        return call

    for name in ("stat", "lstat", "listdir", "scandir", "open", "readlink"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    assert site.decide(request).action.kind == "static"
    assert calls == ["lstat"]  # sending it adds one open, or none where the content is kept


def test_packages_of_an_env_by_their_path_on_windows(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "env/pyvenv.cfg": "",
            "env/lib/python3.9/site-packages/django/base.css": "",
            "lib/python3.9/site-packages/x": "",
        },
    )
    view = FileView(str(tmp_path))
    found = view.find("env/Lib/site-packages/Django/base.css")
    assert found is not None and found.path.endswith(
        "env/lib/python3.9/site-packages/django/base.css"
    )
    assert view.find("lib/site-packages/x") is None  # no environment


def test_a_file_that_comes_is_seen_at_once(tmp_path: Path) -> None:
    view = FileView(str(tmp_path))
    os.utime(tmp_path, (0, 0))  # settled: the listing is kept
    assert view.find("new.txt") is None and view.find("NEW.txt") is None
    write(tmp_path, {"new.txt": ""})
    assert view.find("NEW.txt") is not None


@pytest.mark.parametrize("kind", [pytest.param("fifo", marks=POSIX_ONLY), "folder", "missing"])
def test_only_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(OSError):
        read_bounded(path)


def test_no_more_of_a_file_is_read_than_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfabc\xff")
    assert read_bounded(path, 4) == b"\xef\xbb\xbfa"
    assert read_text(path) == "abc\ufffd"


@POSIX_ONLY
@pytest.mark.parametrize(
    "name",
    "app.py manage.py requirements.txt pyproject.toml runtime.txt shop/settings.py env/pyvenv.cfg"
    " server.js package.json iisnode.yml index.html web.config sub/web.config".split(),
)
def test_nothing_waits_for_a_fifo_in_a_site(name: str, make_site: Callable[..., Site]) -> None:
    site = make_site(
        {"web.config": web_config(python_handler(), {"WSGI_HANDLER": "app.app"}), "a.css": ""}
    )
    path = site.path / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    site = Site(site.path)
    list(check(site))
    site.explain(f"/{name}")
    try:
        recognise(site.path)
    except SiteError:
        pass


@pytest.mark.parametrize("kind", [pytest.param("fifo", marks=POSIX_ONLY), "link", "folder", "case"])
def test_an_error_page_is_read_as_the_other_files_of_a_site_are(
    kind: str, make_site: Callable[..., Site], tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = (
        '<httpErrors errorMode="Custom"><remove statusCode="404" />'
        '<error statusCode="404" path="Gone.html" /></httpErrors>'
    )
    site = make_site({"web.config": web_config(page)})
    there = site.path / "Gone.html"
    if kind == "fifo":
        os.mkfifo(there)
    elif kind == "folder":
        there.mkdir()
    elif kind == "case":
        (site.path / "GONE.HTML").write_text("own page")
    else:
        outside = tmp_path_factory.mktemp("elsewhere") / "outside.html"
        outside.write_text("own page")
        there.symlink_to(outside)
    response = made_by_iis(Site(site.path).decide(make_request("/nothing")), local=False)
    assert response is not None and response.status == 404
    assert (response.body == b"own page") == (kind == "case")
