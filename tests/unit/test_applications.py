"""Sites, applications, virtual directories and locks of a host configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcgiemu import Settings, Site, SiteError

from ..sites import python_handler, web_config, write

HOST = r"""<configuration><system.applicationHost><sites>
  <site name="Other" id="1"><application path="/"><virtualDirectory path="/" physicalPath="C:\other" /></application></site>
  <site name="Shop" id="7">
    <application path="/" applicationPool="ShopPool">
      <virtualDirectory path="/" physicalPath="C:\sites\shop" />
      <virtualDirectory path="/media/films" physicalPath="C:\sites\shop\_films" />
      <virtualDirectory path="/plain" physicalPath="C:\sites\shop\_plain" allowSubDirConfig="false" />
    </application>
    <application path="/api" applicationPool="ApiPool">
      <virtualDirectory path="/" physicalPath="E:\api" />
      <virtualDirectory path="/docs" physicalPath="E:\api\_docs" />
    </application>
    <bindings><binding protocol="http" bindingInformation="*:80:" /></bindings>
  </site>
</sites></system.applicationHost></configuration>"""
FILES = {
    "host.config": HOST,
    "shop/web.config": web_config(
        python_handler("*.shop") + '<httpProtocol><customHeaders><add name="X-Shop" value="1" />'
        "</customHeaders></httpProtocol>"
    ),
    "shop/index.html": "shop",
    "shop/_films/a.txt": "film",
    "shop/_plain/sub/web.config": "<broken",
    "shop/_plain/sub/a.txt": "plain",
    "api/web.config": web_config(
        python_handler("*").replace("<add ", "<remove name='Python' /><add "),
        {"WSGI_HANDLER": "api.application"},
    ),
    "api/a.py": "",
    "api/_docs/a.txt": "docs",
}


@pytest.fixture
def shop(tmp_path: Path) -> Site:
    write(tmp_path, FILES)
    return Site(
        tmp_path / "shop",
        Settings(
            host_config=tmp_path / "host.config",
            site_name="shop",
            path_map=(("E:\\api", str(tmp_path / "api")),),
        ),
    )


@pytest.mark.parametrize(
    ("url", "kind", "file"),
    [
        ("/", "static", "index.html"),
        ("/media/films/a.txt", "static", "media/films/a.txt"),
        ("/MEDIA/Films/A.TXT", "static", "media/films/a.txt"),
        ("/media/a.txt", "respond", None),
        ("/plain/sub/a.txt", "static", "plain/sub/a.txt"),
        ("/x.shop", "fastcgi", None),
        ("/api", "fastcgi", None),
        ("/api/x", "fastcgi", None),
        ("/api/docs/a.txt", "fastcgi", None),
        ("/apiary", "respond", None),
    ],
)
def test_urls_lead_to_their_directories(shop: Site, url: str, kind: str, file: str | None) -> None:
    outcome = shop.explain(url)["outcome"]
    assert (outcome["kind"], outcome["file"]) == (kind, file), outcome


def test_each_application_has_its_own_variables_and_settings(shop: Site, tmp_path: Path) -> None:
    environ = shop.explain("/api/x")["outcome"]["environ"]
    assert environ["APPL_PHYSICAL_PATH"] == f"{tmp_path}/api/"
    assert environ["APPL_MD_PATH"] == "/LM/W3SVC/7/ROOT/api"
    assert environ["SCRIPT_FILENAME"] == f"{tmp_path}/api/x"
    assert shop.explain("/x.shop")["outcome"]["environ"]["APPL_MD_PATH"] == "/LM/W3SVC/7/ROOT"
    api = shop.application("/api/x")
    assert (api.place.application_pool, api.place.application_root) == ("ApiPool", "E:\\api")
    assert shop.app_settings(api)["WSGI_HANDLER"][0] == "api.application"
    assert "WSGI_HANDLER" not in shop.app_settings()


def test_a_child_application_inherits_but_for_what_is_kept_from_it(tmp_path: Path) -> None:
    handler = python_handler("*")
    kept = (
        f'<configuration><location path="." inheritInChildApplications="false"><system.webServer>{handler}</system.webServer>'
        "</location></configuration>"
    )
    for config, kind in ((web_config(handler), "fastcgi"), (kept, "static")):
        write(
            tmp_path,
            {**FILES, "shop/web.config": config, "api/web.config": web_config(), "api/a.txt": "a"},
        )
        site = Site(
            tmp_path / "shop",
            Settings(
                host_config=tmp_path / "host.config",
                site_name="Shop",
                path_map=(("E:\\api", str(tmp_path / "api")),),
            ),
        )
        assert site.explain("/api/a.txt")["outcome"]["kind"] == kind
        assert site.explain("/a.txt")["outcome"]["kind"] == "fastcgi"


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (
            '<application path="/x"><virtualDirectory path="/" physicalPath="a" /></application>',
            'no application with path="/"',
        ),
        ('<application path="/" />', 'no virtual directory with path="/"'),
        (
            '<application path="/"><virtualDirectory path="/" /></application>',
            "needs a physicalPath",
        ),
        (
            '<application path="/"><virtualDirectory path="/" physicalPath="C:\\x" />'
            '<virtualDirectory path="/y" physicalPath="F:\\nowhere" /></application>',
            r"no local folder for physicalPath=\"F:\\nowhere\"",
        ),
        (
            '<application path="/"><virtualDirectory path="/" physicalPath="C:\\x" /></application>'
            '<application path="api"><virtualDirectory path="/" physicalPath="C:\\x" /></application>',
            "does not begin with a slash",
        ),
        (
            '<application path="/"><virtualDirectory path="/" physicalPath="C:\\x" /></application>'
            * 2,
            "is there twice",
        ),
    ],
)
def test_layouts_that_cannot_be_used(tmp_path: Path, application: str, message: str) -> None:
    write(
        tmp_path,
        {
            "host.config": "<configuration><system.applicationHost><sites>\n"
            f'<site name="Default Web Site">\n{application}</site></sites></system.applicationHost></configuration>'
        },
    )
    with pytest.raises(SiteError, match=message) as raised:
        Site(tmp_path, Settings(host_config=tmp_path / "host.config"))
    assert "host.config:" in str(raised.value) and raised.value.hint


def test_a_whole_host_configuration_takes_the_place_of_the_defaults(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.txt": "",
            "a.weird": "",
            "host.config": """<configuration>
      <configSections><sectionGroup name="system.webServer"><section name="handlers" overrideModeDefault="Deny" />
        <section name="access" overrideModeDefault="Deny" /></sectionGroup></configSections>
      <system.webServer><globalModules><add name="StaticFileModule" image="x" /></globalModules>
        <staticContent><mimeMap fileExtension=".weird" mimeType="text/weird" /></staticContent></system.webServer>
      <location path=""><system.webServer><modules><add name="StaticFileModule" lockItem="true" />
        <add name="AnonymousAuthenticationModule" /></modules>
        <handlers accessPolicy="Read"><add name="StaticFile" path="*" verb="*" modules="StaticFileModule" requireAccess="Read" />
        </handlers></system.webServer></location></configuration>""",
        },
    )
    site = Site(tmp_path, Settings(host_config=tmp_path / "host.config"))
    assert site.explain("/a.weird")["outcome"]["status"] == 200
    assert site.explain("/a.txt")["outcome"]["substatus"] == 3
    (tmp_path / "web.config").write_text(web_config("<handlers />"))
    outcome = site.explain("/a.weird")["outcome"]
    assert (outcome["substatus"], outcome["hresult"]) == (19, "0x80070021")


LOCKS: list[tuple[str, str, int]] = [
    # host configuration, web.config, substatus of a static file (0 = served)
    (
        '<location path="" overrideMode="Deny"><system.webServer><httpProtocol /></system.webServer></location>',
        "<httpProtocol />",
        19,
    ),
    (
        '<location path="Default Web Site" overrideMode="Deny"><system.webServer><httpProtocol /></system.webServer></location>',
        "<httpProtocol />",
        19,
    ),
    (
        '<location path="Another Site" overrideMode="Deny"><system.webServer><httpProtocol /></system.webServer></location>',
        "<httpProtocol />",
        0,
    ),
    (
        '<location path="" allowOverride="false"><system.webServer><httpProtocol /></system.webServer></location>',
        "<httpProtocol />",
        19,
    ),
    (
        '<system.webServer><directoryBrowse lockAttributes="enabled" /></system.webServer>',
        '<directoryBrowse enabled="false" />',
        19,
    ),
    (
        '<system.webServer><directoryBrowse lockAttributes="enabled" /></system.webServer>',
        '<directoryBrowse showFlags="Date" />',
        0,
    ),
    (
        '<system.webServer><directoryBrowse lockAllAttributesExcept="enabled" /></system.webServer>',
        '<directoryBrowse showFlags="Date" />',
        19,
    ),
    (
        '<system.webServer><directoryBrowse lockAttributes="*" /></system.webServer>',
        '<directoryBrowse showFlags="Date" />',
        19,
    ),
    (
        '<system.webServer><httpProtocol lockElements="customHeaders" /></system.webServer>',
        "<httpProtocol><customHeaders /></httpProtocol>",
        19,
    ),
    (
        '<system.webServer><httpProtocol><customHeaders lockElements="clear" /></httpProtocol></system.webServer>',
        "<httpProtocol><customHeaders><clear /></customHeaders></httpProtocol>",
        19,
    ),
    (
        '<system.webServer><httpProtocol><customHeaders lockElements="clear" /></httpProtocol></system.webServer>',
        "<httpProtocol><customHeaders><remove name='x' /></customHeaders></httpProtocol>",
        0,
    ),
    (
        '<system.webServer><defaultDocument><files><add value="a.html" lockItem="true" /></files></defaultDocument></system.webServer>',
        "<defaultDocument><files><remove value='A.html' /></files></defaultDocument>",
        19,
    ),
    (
        '<system.webServer><defaultDocument><files><add value="a.html" lockItem="true" /></files></defaultDocument></system.webServer>',
        "<defaultDocument><files><clear /></files></defaultDocument>",
        19,
    ),
    (
        '<system.webServer><defaultDocument><files><add value="a.html" lockItem="true" /></files></defaultDocument></system.webServer>',
        "<defaultDocument><files><remove value='index.htm' /></files></defaultDocument>",
        0,
    ),
]


@pytest.mark.parametrize(("host", "inner", "substatus"), LOCKS)
def test_locks_of_the_host(tmp_path: Path, host: str, inner: str, substatus: int) -> None:
    write(
        tmp_path,
        {
            "a.txt": "",
            "host.config": f"<configuration>{host}</configuration>",
            "web.config": web_config(inner),
        },
    )
    outcome = Site(tmp_path, Settings(host_config=tmp_path / "host.config")).explain("/a.txt")[
        "outcome"
    ]
    assert outcome["substatus"] == substatus, outcome
    if substatus:
        assert outcome["hresult"] == "0x80070021" and "host.config:1" in outcome["message"]


def test_a_location_locks_the_folders_below_it(make_site: Callable[..., Site]) -> None:
    parent = (
        '<configuration><location path="sub" overrideMode="Deny"><system.webServer><httpProtocol /></system.webServer>'
        "</location></configuration>"
    )
    site = make_site(
        {
            "web.config": parent,
            "sub/web.config": web_config("<httpProtocol />"),
            "sub/a.txt": "",
            "other/web.config": web_config("<httpProtocol />"),
            "other/a.txt": "",
        }
    )
    assert site.explain("/sub/a.txt")["outcome"]["substatus"] == 19
    assert site.explain("/other/a.txt")["outcome"]["status"] == 200


def outcome_of(site: Site, url: str) -> tuple[Any, Any]:
    outcome = site.explain(url)["outcome"]
    return outcome["status"], outcome["substatus"]


SHIPPED = [
    ('<security><access sslFlags="Ssl" /></security>', 403, 4),
    ("<modules><remove name='StaticFileModule' /></modules>", 200, 0),
]


@pytest.mark.parametrize(("inner", "status", "substatus"), SHIPPED)
def test_locks_of_the_shipped_configuration_warn(
    make_site: Callable[..., Site], inner: str, status: int, substatus: int
) -> None:
    files = {"a.txt": "", "web.config": web_config(inner)}
    site = make_site(files)
    if "StaticFileModule" not in inner:
        assert outcome_of(site, "/a.txt") == (status, substatus)
    assert [finding["severity"] for finding in site.explain("/a.txt")["findings"]] == ["warning"]
    assert outcome_of(make_site(files, strict_locks=True), "/a.txt") == (500, 19)


def test_locks_of_http_errors_surface_with_errors_only(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {"a.txt": "", "web.config": web_config('<httpErrors defaultPath="x.htm" />')},
        strict_locks=True,
    )
    assert outcome_of(site, "/a.txt") == (200, 0)
    outcome = site.explain("/none.txt")["outcome"]
    assert (outcome["status"], outcome["substatus"], outcome["hresult"]) == (500, 19, "0x80070021")


def test_modules_of_a_sub_folder_are_ignored(make_site: Callable[..., Site]) -> None:
    remove = (
        '<system.webServer><modules><remove name="StaticFileModule" /></modules></system.webServer>'
    )
    located = f'<configuration><location path="sub">{remove}</location></configuration>'
    assert outcome_of(make_site({"web.config": located, "sub/a.txt": ""}), "/sub/a.txt") == (200, 0)
    assert outcome_of(
        make_site(
            {
                "web.config": web_config(),
                "sub/web.config": f"<configuration>{remove}</configuration>",
            }
        ),
        "/sub/a.txt",
    ) == (200, 0)


MODULES = [
    # what is removed, the URL, kind and substatus without it
    ("RewriteModule", "/old", "respond", 0),
    ("RequestFilteringModule", "/bin/a.txt", "static", 0),
    ("StaticFileModule", "/a.txt", "respond", 0),
    ("DirectoryListingModule", "/", "respond", 0),
    ("HttpRedirectionModule", "/moved/a.txt", "static", 0),
    ("UrlAuthorizationModule", "/closed/a.txt", "static", 0),
    ("FastCgiModule", "/x.py", "respond", 21),
]
MODULES_FILES = {
    "a.txt": "a",
    "bin/a.txt": "a",
    "moved/a.txt": "a",
    "closed/a.txt": "a",
    "moved/web.config": web_config('<httpRedirect enabled="true" destination="/a.txt" />'),
    "closed/web.config": web_config(
        "<security><authorization><clear /></authorization></security>"
    ),
}


@pytest.mark.parametrize(("module", "url", "kind", "substatus"), MODULES)
def test_a_removed_module_does_nothing(
    make_site: Callable[..., Site], module: str, url: str, kind: str, substatus: int
) -> None:
    inner = (
        '<directoryBrowse enabled="true" /><rewrite><rules><rule name="r"><match url="^old$" />'
        f'<action type="Rewrite" url="a.txt" /></rule></rules></rewrite>{python_handler("*.py")}'
    )
    with_it = make_site({**MODULES_FILES, "web.config": web_config(inner)}).explain(url)["outcome"]
    removed = web_config(f'{inner}<modules><remove name="{module}" /></modules>')
    outcome = make_site({**MODULES_FILES, "web.config": removed}).explain(url)["outcome"]
    assert (outcome["kind"], outcome["substatus"]) == (kind, substatus), outcome
    assert (with_it["kind"], with_it["substatus"]) != (kind, substatus)
