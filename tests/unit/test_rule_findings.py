"""Rules as real sites have them, with which nothing is wrong; and what only more files show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

import pytest

from fcgiemu.decision import ServeFile
from fcgiemu.diagnosis.check import check
from fcgiemu.http.request import make_request
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import python_handler, rules, web_config, write

NO_FILE = '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'
NO_FOLDER = NO_FILE.replace("IsFile", "IsDirectory")
OFF = '<add input="{HTTPS}" pattern="^OFF$" />'
#: No warning is right about these.
PAGE = {"index.html": ""}


def rule(match: str, action: str, conditions: str = "", any_of: str = "", more: str = "") -> str:
    """A rule that stops, unless ``more`` attributes say otherwise."""
    grouping = ' logicalGrouping="MatchAny"' if any_of else ""
    inner = f"<conditions{grouping}>{conditions or any_of}</conditions>"
    return (
        f'<rule name="{crc32((match + action + conditions + any_of).encode())}" stopProcessing="true"{more}>'
        f'<match url="{match}" />{inner if conditions or any_of else ""}<action {action} /></rule>'
    )


def host(pattern: str, more: str = "") -> str:
    return f'<add input="{{HTTP_HOST}}" pattern="{pattern}"{more} />'


def redirect(url: str) -> str:
    return f'type="Redirect" url="{url}"'


def rewrite(url: str) -> str:
    return f'type="Rewrite" url="{url}"'


RIGHT: dict[str, tuple[Mapping[str, str], str]] = {
    "HTTPS by the whole URL": (
        {},
        rule(
            ".*", redirect("https://{HTTP_HOST}{REQUEST_URI}") + ' appendQueryString="false"', OFF
        ),
    ),
    "the canonical host": (
        {},
        rule(
            "(.*)",
            redirect("https://www.example.org/{R:1}"),
            any_of=OFF + host(r"^www\.example\.org$", ' negate="true"'),
        ),
    ),
    "no www": ({}, rule("(.*)", redirect("https://{C:1}/{R:1}"), host(r"^www\.(.+)$"))),
    "one of two hosts": (
        {},
        rule(
            "(.*)",
            redirect("https://www.example.org/{R:1}"),
            any_of=host(r"^a\.example$") + host(r"^b\.example$"),
        ),
    ),
    "the parts of one URL": (
        {},
        rule(
            "(.*)",
            redirect("https://www.example.org/{R:1}"),
            host(r"^a\.example$") + '<add input="{REQUEST_URI}" pattern="^/x" />',
        ),
    ),
    "two parameters of one query": (
        {},
        rule(
            "^page$",
            redirect("/p") + ' appendQueryString="false"',
            '<add input="{QUERY_STRING}" pattern="(^|&amp;)id=1(&amp;|$)" />'
            '<add input="{QUERY_STRING}" pattern="(^|&amp;)lang=de(&amp;|$)" />',
        ),
    ),
    "a site that has moved": (
        {},
        rule("(.*)", redirect("https://new.example/{R:1}"), host(r"^old\.example$")),
    ),
    "another port for a host": (
        {},
        rule("^(.*)$", rewrite("http://127.0.0.1:300{C:1}/{R:1}"), host(r"^app(\d)\.")),
    ),
    "where to go back to": (
        {},
        rule(
            "^secure/",
            redirect("https://sso.example/login?u=https://{HTTP_HOST}{REQUEST_URI}")
            + ' appendQueryString="false"',
            '<add input="{HTTP_COOKIE}" pattern="auth=" negate="true" />',
        ),
    ),
    "what a rule leaves to others": (
        PAGE,
        rule("^(css|js)/", 'type="None"') + rule(".*", rewrite("index.html"), NO_FILE + NO_FOLDER),
    ),
    "a tenant of its own folder": (
        {"blog/index.html": ""},
        rule(
            "^(.*)$",
            rewrite("blog/{R:1}"),
            host(r"^blog\.example\.org$") + '<add input="{URL}" pattern="^/blog/" negate="true" />',
        ),
    ),
    "a page that a script makes": (
        {"sitemap.php": ""},
        rule(r"^sitemap\.xml$", rewrite("sitemap.php")),
    ),
    "the root under two names": ({}, rule("^$|^home$", redirect("/start"))),
    "the rest of a path with its slash, of the whole URL": (
        {},
        rule(
            "^blog(/.*)?$",
            redirect("https://blog.example.org{C:1}") + ' appendQueryString="false"',
            '<add input="{REQUEST_URI}" pattern="^/blog(.*)$" />',
        ),
    ),
    "every URL, as a wildcard would have it": (
        {},
        rule("/*", rewrite("main.py"), NO_FILE),
    ),
    "sources beside what is public": (
        {"build/index.js": "", "index.js": ""},
        '<rule name="static"><action type="Rewrite" url="public{REQUEST_URI}" appendQueryString="false" /></rule>'
        + rule(".*", rewrite("index.js"), NO_FILE),
    ),
    "every URL behind a rule that stops for dots": (
        {},
        '<rule name="files" stopProcessing="true"><match url=".*\\..*" /></rule>'
        + rule(".*", rewrite("/index.html")),
    ),
    "a site whose place is a folder of another": (
        PAGE,
        rule(".*", rewrite("/shop/index.html"), NO_FILE + NO_FOLDER),
    ),
    "rules of Apache in a comment, and beside": (
        {".htaccess": "RewriteEngine On\nRewriteRule ^old$ /new [R=301,L]\n"},
        "<!--\nRewriteRule ^old$ /new [R]\n-->" + rule("^old$", redirect("/new")),
    ),
}


@pytest.mark.parametrize(("files", "inner"), RIGHT.values(), ids=list(RIGHT))
def test_no_warning_of_rules_that_are_right(
    tmp_path: Path, files: Mapping[str, str], inner: str
) -> None:
    write(tmp_path, {**files, "web.config": rules(inner)})
    assert [found for found in check(Site(tmp_path)) if found.severity != "info"] == []


MAP = '<rewriteMaps><rewriteMap name="Pages"><add key="/a" value="/b" /></rewriteMap></rewriteMaps>'


REWRITE = "<rewrite><rules>{}</rules>{}</rewrite>"


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("HTTP to HTTPS", "warning"),
        ("Force HTTPS", "warning"),
        ("Redirect to HTTP", "info"),
        ("https-to-http", "info"),
        ("No SSL", "info"),
    ],
)
def test_a_redirect_to_http_that_its_name_tells(tmp_path: Path, name: str, severity: str) -> None:
    on = '<add input="{HTTPS}" pattern="^on$" />'
    inner = rule("(.*)", redirect("http://{HTTP_HOST}/{R:1}"), on)
    inner = inner.replace('name="', f'name="{name} ', 1)
    write(tmp_path, {"web.config": rules(inner)})
    found = [one.severity for one in check(Site(tmp_path)) if one.code == "redirect-to-http"]
    assert found == [severity]


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (rule("^$", rewrite("public/")) + rule("^([^/]+)$", rewrite("public/{R:1}")), False),
        (rule("^([^/]+)$", rewrite("public/{R:1}")), True),
        (rule("^$", rewrite("public/")) + rule("^(.*)$", rewrite("other.py")), True),
    ],
)
def test_the_first_page_of_a_folder_in_place_of_another(
    tmp_path: Path, inner: str, told: bool
) -> None:
    files = {"index.html": "", "public/index.php": ""}
    write(tmp_path, {**files, "web.config": rules(inner)})
    found = [one.message for one in check(Site(tmp_path)) if one.code == "rewrite-hides-file"]
    assert any("/index.html" in message for message in found) == told, found


@pytest.mark.parametrize(("more", "told"), [("", True), ('<add key="/ü" value="/b" />', False)])
def test_keys_that_are_encoded_as_well(tmp_path: Path, more: str, told: bool) -> None:
    asked = '<add input="{Pages:{URL}}" pattern="(.+)" />'
    keys = MAP.replace('<add key="/a"', f'{more}<add key="/%C3%BC"')
    config = web_config(REWRITE.format(rule("(.*)", redirect("{C:1}"), asked), keys))
    write(tmp_path, {"web.config": config})
    assert ("rewrite-map-keys" in hints(tmp_path)) == told


def test_a_map_that_the_server_asks_is_in_use(tmp_path: Path) -> None:
    site = write(tmp_path / "site", {"web.config": web_config(f"<rewrite>{MAP}</rewrite>")})
    assert "rewrite-map-unused" in {found.code for found in check(Site(site))}
    asks = (
        '<rule name="r"><match url=".*" /><conditions><add input="{Pages:{URL}}" pattern="(.+)" />'
        '</conditions><action type="Redirect" url="{C:1}" /></rule>'
    )
    host_config = tmp_path / "applicationHost.config"
    host_config.write_text(rules(asks), encoding="utf-8")
    found = check(Site(site, Settings(host_config=host_config)))
    assert "rewrite-map-unused" not in {one.code for one in found}


SHOP = '<add input="{URL}" pattern="^/api/" negate="true" />'


@pytest.mark.parametrize(("root", "told"), [({"web.config": web_config()}, True), ({}, False)])
def test_a_folder_with_a_file_of_its_own_may_be_the_site(
    tmp_path: Path, root: Mapping[str, str], told: bool
) -> None:
    own = rules(rule(".*", rewrite("index.html"), NO_FILE + SHOP))
    write(tmp_path, {**root, "shop/web.config": own, "shop/index.html": ""})
    found = {one.code for one in check(Site(tmp_path))}
    assert ("rewrite-impossible-condition" in found) == told


@pytest.mark.parametrize(("folder", "told"), [("shop", True), ("dist", False)])
def test_the_root_is_no_page_of_a_folder(tmp_path: Path, folder: str, told: bool) -> None:
    own = rules(rule(".*", rewrite("/"), NO_FILE + NO_FOLDER))
    write(tmp_path, PAGE | {f"{folder}/web.config": own, f"{folder}/index.html": ""})
    found = {one.code: one.hint for one in check(Site(tmp_path))}
    assert found.get("rewrite-leaves-folder") == (f"Write /{folder}/." if told else None)


def hints(site: Path) -> dict[str, str]:
    """Code -> hint of the warnings and errors of a site."""
    return {found.code: found.hint for found in check(Site(site)) if found.severity != "info"}


def served(site: Path, url: str) -> str:
    """The file that a URL is answered with, as a path of the site; "" for none."""
    action = Site(site).decide(make_request(url)).action
    return str(Path(action.entry.path).relative_to(site)) if isinstance(action, ServeFile) else ""


#: A target that leads every URL into public, or nearly every one, and the rule's pattern and
#: conditions.
LEADS = [
    ("public/{R:1}", "^(.*)$", ""),
    ("/public/{R:0}", "^(?!public/)(.*)$", ""),
    ("public{REQUEST_URI}", ".*", ""),
    ("public/{R:1}", "(.*)", '<add input="{URL}" pattern="^/public/" negate="true" />'),
]
#: The page and the style sheet of a site that is in public.
IN_PUBLIC = {"public/index.html": "", "public/site.css": ""}


@pytest.mark.parametrize("going_on", [False, True])
@pytest.mark.parametrize(("url", "pattern", "conditions"), LEADS)
def test_a_page_of_a_folder_that_every_url_is_led_into(
    tmp_path: Path, url: str, pattern: str, conditions: str, going_on: bool
) -> None:
    """The remedy is pasted, with the folder's own rule left as it is."""
    into = rule(pattern, rewrite(url) + ' appendQueryString="false"', conditions)
    if going_on:
        into = into.replace(' stopProcessing="true"', "")
    own = rule("^(.*)$", rewrite("index.html"), NO_FILE + NO_FOLDER)
    write(tmp_path, IN_PUBLIC | {"web.config": rules(into), "public/web.config": rules(own)})
    assert served(tmp_path, "/page") == ""
    told = hints(tmp_path)["rewrite-never-reached"]
    element = told.removeprefix("Write ").partition(" in the place of ")[0]
    write(tmp_path, {"web.config": rules(element)})
    assert hints(tmp_path) == {}
    assert served(tmp_path, "/page") == served(tmp_path, "/") == "public/index.html"
    assert served(tmp_path, "/site.css") == "public/site.css"


def test_a_page_behind_a_wildcard_that_leads_to_it(tmp_path: Path) -> None:
    """The remedy has regular expressions."""
    test = '<add input="{URL}" pattern="/public/*" negate="true" />'
    wild = ' patternSyntax="Wildcard"'
    into = rule("*", rewrite("public\\{R:1}"), test, more=wild)
    own = rule("*", rewrite("index.html"), NO_FILE, more=wild)
    write(tmp_path, IN_PUBLIC | {"web.config": rules(into), "public/web.config": rules(own)})
    told = hints(tmp_path)["rewrite-never-reached"]
    element = told.removeprefix("Write ").partition(" in the place of ")[0]
    write(tmp_path, {"web.config": rules(element)})
    assert hints(tmp_path) == {} and served(tmp_path, "/page") == "public/index.html"
    assert served(tmp_path, "/site.css") == "public/site.css"


@pytest.mark.parametrize("first", ["<clear />", '<remove name="{}" />'])
def test_a_page_of_a_folder_that_removes_what_leads_to_it(tmp_path: Path, first: str) -> None:
    into = rule("^(.*)$", rewrite("public/{R:1}"))
    own = first.format(into.split('"')[1]) + rule("^(.*)$", rewrite("index.html"), NO_FILE)
    write(tmp_path, IN_PUBLIC | {"web.config": rules(into), "public/web.config": rules(own)})
    assert served(tmp_path, "/page") == ""
    told = hints(tmp_path)["rewrite-never-reached"]
    element = told.removeprefix("Write ").partition(" in the place of ")[0]
    write(tmp_path, {"web.config": rules(element)})
    assert hints(tmp_path) == {} and served(tmp_path, "/page") == "public/index.html"


def test_other_rules_of_a_folder_that_every_url_is_led_into(tmp_path: Path) -> None:
    """Moved up they are for the URLs that clients ask for; with a page above, nothing is said."""
    into = rule("^(.*)$", rewrite("public/{R:1}"))
    old = rule("^old$", rewrite("/site.css"))
    host = rule("(.*)", redirect("https://{HTTP_HOST}/{R:1}"), OFF)
    slash = rule("^(.*[^/])$", redirect("/{R:1}/"), NO_FILE + NO_FOLDER)
    for own, remedy in (
        (old, ", before it, with the target 'public/site.css'."),
        (host, ", before it."),
        (slash, ", and ask there for {DOCUMENT_ROOT}/public/{R:0} instead of {REQUEST_FILENAME}."),
    ):
        config = {"web.config": rules(into), "public/web.config": rules(own)}
        write(tmp_path, IN_PUBLIC | config)
        found = hints(tmp_path)
        assert list(found) == ["rewrite-never-reached"]
        assert found["rewrite-never-reached"].endswith(remedy)
    moved = rule("^old$", rewrite("public/site.css"))
    write(tmp_path, {"web.config": rules(moved + into), "public/web.config": web_config()})
    assert hints(tmp_path) == {} and served(tmp_path, "/old") == "public/site.css"
    page = into.replace("<action", f"<conditions>{BELOW}</conditions><action")
    page += rule("^(.*)$", rewrite("public/index.html"))
    write(tmp_path, {"web.config": rules(page), "public/web.config": rules(old + host)})
    assert hints(tmp_path) == {}


def test_a_page_below_the_folder_that_every_url_is_led_into(tmp_path: Path) -> None:
    """With its remedy, and that of the folder; pages beside the folder are hidden on purpose."""
    into = rule("^(.*)$", rewrite("public/{R:1}"))
    own = rules(rule(".*", rewrite("index.html"), NO_FILE + NO_FOLDER))
    inner = {"public/admin/index.html": "", "public/admin/web.config": own}
    write(tmp_path, PAGE | IN_PUBLIC | inner | {"web.config": rules(into)})
    told = hints(tmp_path)["rewrite-never-reached"]
    element = told.removeprefix("Put ").partition(" before rule")[0]
    page = into.replace("<action", f"<conditions>{BELOW}</conditions><action")
    page += rule("^(.*)$", rewrite("public/index.html"))
    for outer in (into, page):
        write(tmp_path, {"web.config": rules(element + outer)})
        assert hints(tmp_path) == {}
        assert served(tmp_path, "/admin/x") == "public/admin/index.html"
        assert served(tmp_path, "/site.css") == "public/site.css"


def test_a_redirect_that_a_folder_has_as_well(tmp_path: Path) -> None:
    """The inherited one does the same."""
    own = redirect("https://www.example.org/{R:1}")
    config = {"web.config": rules(rule("(.*)", own, OFF)), "blog/web.config": ""}
    for url, told in ((own, False), (redirect("https://blog.example.org/{R:1}"), True)):
        inner = rule("^(.*)$", url, OFF)
        write(tmp_path, config | {"blog/web.config": rules(inner)})
        assert ("rewrite-never-reached" in hints(tmp_path)) == told


#: The condition for files of public.
BELOW = '<add input="{DOCUMENT_ROOT}/public/{R:0}" matchType="IsFile" />'
FALLBACK = rule(".*", rewrite("/index.html"), NO_FILE + NO_FOLDER)
EVERY = rule(".*", rewrite("/index.html"))
INTO = rule("^(.*)$", rewrite("public/{R:1}"))
#: Two rules of one file, and the remedy for the second; "" where nothing is wrong.
ORDER: dict[str, tuple[str, str, str]] = {
    "an API": (FALLBACK, rule("^api/", rewrite("http://localhost:1/{R:0}")), FIRST := "Put this"),
    "HTTPS": (FALLBACK, rule("(.*)", redirect("https://{HTTP_HOST}/{R:1}"), OFF), FIRST),
    "one that goes on": (
        EVERY,
        rule("^api/", 'type="None"').replace(' stopProcessing="true"', ""),
        'Put this rule before it, with stopProcessing="true".',
    ),
    "one that leads to a file": (
        FALLBACK,
        rule("^api/", rewrite("api.php")).replace(' stopProcessing="true"', ""),
        "Put this rule before it.",
    ),
    "a second application": (
        FALLBACK,
        rule(".*", rewrite("/admin/index.html"), NO_FILE + NO_FOLDER),
        'url="^admin(/.*)?$" in <match>',
    ),
    "an API for every URL": (
        FALLBACK,
        rule("(.*)", rewrite("http://localhost:1/{R:1}")),
        'url="^api/(.*)$" in <match>',
    ),
    "the page of what is built": (
        FALLBACK,
        rule(".*", rewrite("/dist/index.html"), NO_FILE + NO_FOLDER),
        " where this one is right: they are for the same URLs",
    ),
    "files of a folder": (
        FALLBACK,
        rule("^(.*)$", rewrite("public/{R:1}")),
        f"before it, with {BELOW} as a condition",
    ),
    "a page behind what leads to it": (
        INTO,
        rule("^(.*)$", rewrite("public/index.html"), NO_FILE + NO_FOLDER),
        f"Add {BELOW} as a condition to rule",
    ),
    "the site has moved": (
        FALLBACK,
        rule("(.*)", redirect("https://www.example.org/{R:1}")),
        "Put this rule in the place of",
    ),
    "behind one that goes on": (
        GOING_ON := FALLBACK.replace(' stopProcessing="true"', ""),
        rule("^old$", redirect("/new")),
        "Put this rule before it.",
    ),
    "HTTPS behind one that goes on": (
        GOING_ON,
        rule("(.*)", redirect("https://{HTTP_HOST}/{R:1}"), OFF),
        "Put this rule before it.",
    ),
    "HTTPS by the whole URL behind one that goes on": (
        GOING_ON,
        rule(
            "(.*)", redirect("https://{HTTP_HOST}{REQUEST_URI}") + ' appendQueryString="false"', OFF
        ),
        "",
    ),
    "one for what the first makes": (
        rule("^shop/(.*)$", rewrite("store/{R:1}")).replace(' stopProcessing="true"', ""),
        rule("^store/(\\d+)$", rewrite("index.html?id={R:1}")),
        "",
    ),
    "without an extension, then the host": (
        rule("^(.*)\\.html$", rewrite("{R:1}"), OFF).replace(' stopProcessing="true"', ""),
        rule("(.*)", redirect("https://www.example.org/{R:1}"), host("^example")),
        "",
    ),
    "a page that a script makes": (FALLBACK, rule("^sitemap\\.xml$", rewrite("/map.php")), FIRST),
    "pages that another server has": (
        FALLBACK,
        rule("^(robots|ads)\\.txt$", redirect("https://a.example/{R:0}")),
        FIRST,
    ),
    "the page itself": (FALLBACK, rule("^index\\.html$", redirect("/")), ""),
    "pages of a name": (FALLBACK, rule("\\.php$", redirect("/gone")), ""),
    "the same page": (FALLBACK, rule("^feed\\.xml$", rewrite("/index.html")), ""),
    "maintenance": (
        FALLBACK,
        DOWN := rule(
            ".*",
            rewrite("/offline.html"),
            '<add input="{URL}" pattern="^/offline" negate="true" />',
        ),
        FIRST,
    ),
    "a 503": (FALLBACK, rule(".*", 'type="CustomResponse" statusCode="503"'), FIRST),
    "an API that is left alone": (FALLBACK, rule("^api/", 'type="None"'), FIRST),
    "files that are left alone": (FALLBACK, rule("^assets/", 'type="None"'), ""),
    "behind maintenance": (DOWN, FALLBACK, ""),
    "behind a 503": (rule(".*", 'type="CustomResponse" statusCode="503"'), FALLBACK, ""),
}


@pytest.mark.parametrize(("first", "second", "remedy"), ORDER.values(), ids=ORDER)
def test_what_is_said_of_the_order(tmp_path: Path, first: str, second: str, remedy: str) -> None:
    write(tmp_path, PAGE | {"web.config": rules(first + second)})
    told = hints(tmp_path).get("rewrite-never-reached", "")
    assert remedy in told and bool(told) == bool(remedy), told


#: A rewrite that goes on, one for every URL behind it, and whether that replaces it.
REPLACED = [
    ("p.php?id={R:1}", "index.php?page={R:1}", True),
    ("p.php?id={R:1}", "index.php", True),
    ("index.php?id={R:1}", "/index.php", False),
    ("p.php?id={R:1}", "app/{R:0}", False),
]


@pytest.mark.parametrize(("url", "later", "told"), REPLACED)
def test_rewrites_that_are_replaced(tmp_path: Path, url: str, later: str, told: bool) -> None:
    first = rule("^p/(.*)$", rewrite(url)).replace(' stopProcessing="true"', "")
    write(tmp_path, {"web.config": rules(first + rule("^(.*)$", rewrite(later)))})
    assert ("rewrite-overwritten" in hints(tmp_path)) == told


def test_two_sites_of_which_one_is_in_a_folder_of_the_other(tmp_path: Path) -> None:
    pages = {"index.html": "", "blog/index.html": ""}
    inner = FALLBACK.replace('name="', 'name="blog ').replace("/index", "index")
    name = FALLBACK.split('"')[1]
    remove = f'<remove name="{name}" />'
    write(tmp_path, pages | {"web.config": rules(FALLBACK), "blog/web.config": rules(inner)})
    assert served(tmp_path, "/blog/post") == "index.html"
    assert hints(tmp_path)["rewrite-never-reached"].startswith(f"Write {remove} before this rule")
    write(tmp_path, {"blog/web.config": rules(remove + inner)})
    assert hints(tmp_path) == {} and served(tmp_path, "/blog/post") == "blog/index.html"


SPA = rule(".*", rewrite("/index.html"), NO_FILE + NO_FOLDER)
POST = rule("^post/(\\d+)$", rewrite("post.html?id={R:1}"))


def located(path: str, inner: str) -> str:
    return f'<location path="{path}"><system.webServer><rewrite><rules>{inner}</rules></rewrite></system.webServer></location></configuration>'


def test_a_rule_that_stands_behind_an_inherited_one(tmp_path: Path) -> None:
    """In a folder's own file, or in a <location>: nothing there comes before it."""
    name = SPA.split('"')[1]
    remove = f'<remove name="{name}" />'
    write(tmp_path, PAGE | {"blog/post.html": "", "web.config": rules(SPA)})
    for inner, told in ((POST, True), (remove + POST, False)):
        write(tmp_path, {"blog/web.config": rules(inner)})
        found = hints(tmp_path)
        assert (f"Write {remove} before" in found.get("rewrite-never-reached", "")) == told, found
        assert served(tmp_path, "/blog/post/3") == ("index.html" if told else "blog/post.html")
    (tmp_path / "blog/web.config").unlink()
    inside = POST.replace("^post", "^blog/post").replace("post.html", "blog/post.html")
    for inner, told in ((inside, True), (remove + inside, False)):
        config = rules(SPA).replace("</configuration>", located("blog", inner))
        write(tmp_path, {"web.config": config})
        found = hints(tmp_path)
        assert (f"Write {remove} before" in found.get("rewrite-never-reached", "")) == told, found
        assert served(tmp_path, "/blog/post/3") == ("index.html" if told else "blog/post.html")


#: A pattern in my-blog/web.config, and what is to be written instead; "" where nothing is wrong.
NAMES = [
    (r"^my-blog/([\w-]+/)?admin$", r"Write '^([\w-]+/)?admin$'."),
    (r"^my\-blog\/x$", "Write '^x$'."),
    ("^My-Blog[/]x$", "Write '^x$'."),
    ("^/?my-blog/x$", "Write '^x$'."),
    ("^(?:my-blog)/x$", "Write '^x$'."),
    ("^(?:my-blog/)(.*)$", "Write '^(.*)$'."),
    ("^my-blog(?:/(.*))?$", "Write '^(.*)$'."),
    ("^my-blog/?$", "Write '^$'."),
    ("my-blog/x$", "Write 'x$'."),
    ("^(my-blog)/(x.*)$", 'Write url="^(x.*)$" in <match> and url="/my-blog" in <action>.'),
    ("^(my-blog/)?x$", ""),
    ("^my-blog-2/x$", ""),
    ("^my-blogs/x$", ""),
    ("^(.*/)?my-blog/x$", ""),
]


@pytest.mark.parametrize(("pattern", "remedy"), NAMES)
def test_names_of_folders_in_patterns(tmp_path: Path, pattern: str, remedy: str) -> None:
    config = rules(rule(pattern, redirect("/{R:1}" if "(" in pattern else "/new")))
    write(tmp_path, PAGE | {"my-blog/web.config": config, "web.config": web_config()})
    assert hints(tmp_path).get("rewrite-folder-in-pattern", "") == remedy


#: A pattern with a look-ahead, a target, and the pattern that was meant; "" where nothing is wrong.
LOOKAHEADS = [
    ("^(?!(a)&amp;?!(b))[/]?$", "/p?id={R:1}", "^(?!(?:a|b|p)[/]?$)(.+?)/?$"),
    ("^(?!api)(?!admin)$", "/p", "^(?!(?:api|admin|p)$)(.+?)/?$"),
    ("^(?!api)/?$", "/p", "^(?!(?:api|p)/?$)(.+?)/?$"),
    ("^(.*)(?!\\.html)$", "/p?id={R:1}", "^(?!.*\\.html$)(.*)$"),
    ("^.*(?!api).*$", "/p", "^(?!.*api).*$"),
    ("x/(.*)(?!api)", "/p", "^(?!.*api).*x/(.*)$"),
    ("^x/(?!api|y)$", "/p", "^x/(?!(?:api|y)$)(.+)$"),
    ("^(?!(api)).*$", "/p?id={R:1}", "^(?!(?:api))(.*)$"),
    ("^(?!(api|new)/)(.*)$", "/p?id={R:1}", "^(?!(?:api|new)/)(.*)$"),
    ("^(?!(api|new)/)(.*)$", "/p?id={R:2}", ""),
    ("^(?!(api)).*$", "/p?id={R:0}", ""),
    ("^(?!api/?$)(.*)$", "/p?id={R:1}", ""),
    ("(?!api).*", "/p", "^(?!api).*"),
    ("(?!^api/)(.*)", "/p?id={R:1}", "^(?!api/)(.*)"),
    ("((?!api).)*$", "/p", ""),
    ("^((?!api).)*$", "/p", ""),
    ("^x/(?!api)", "/p", ""),
    ("^x/(?!api)(.*)$", "/p?id={R:1}", ""),
]


@pytest.mark.parametrize(("pattern", "url", "meant"), LOOKAHEADS)
def test_lookaheads(tmp_path: Path, pattern: str, url: str, meant: str) -> None:
    write(tmp_path, PAGE | {"web.config": rules(rule(pattern, redirect(url)))})
    told = hints(tmp_path).get("rewrite-look-ahead", "")
    assert told == (f"Write '{meant}'." if meant else "")


IN_BLOG = "blog/web.config"
#: Files of a site, the rule of blog/web.config, and the words of its remedy; "" where it is right.
OF_FOLDERS: dict[str, tuple[Mapping[str, str], str, str]] = {
    "its own name": (
        PAGE,
        rule("^blog/(\\d+)$", redirect("p?id={R:1}")),
        "Write '^(\\d+)$'.",
    ),
    "its own name, of PHP": ({"index.php": ""}, rule("^blog/", redirect("new")), "Write '^'"),
    "its own name, where it may be the site": ({}, rule("^blog/", redirect("new")), ""),
    "its own name, of a folder in it": (
        PAGE | {"blog/blog/x.txt": ""},
        rule("^blog/old$", redirect("new")),
        "",
    ),
    "the root's page": (
        PAGE | {"blog/index.html": ""},
        SPA,
        "Write '/blog/index.html'.",
    ),
    "the root's script": (
        {"index.php": "", "blog/index.php": "", "blog/x.txt": ""},
        rule("(.*)", rewrite("/index.php/{R:1}"), NO_FILE),
        "Write '/blog/index.php/{R:1}'.",
    ),
    "the root's page, which is the only one": (PAGE | {"blog/main.js": ""}, SPA, ""),
    "its own page": (PAGE | {"blog/index.html": ""}, SPA.replace('"/index', '"/blog/index'), ""),
    "one page of the root": (
        PAGE | {"blog/index.html": ""},
        rule("^old$", rewrite("/index.html"), NO_FILE),
        "",
    ),
    "the whole path below a folder": (
        PAGE | {"blog/public/site.css": ""},
        rule("\\.(css|js)$", rewrite("public{REQUEST_URI}") + ' appendQueryString="false"'),
        'Write url="public/{R:0}" in <action> and url="^.*\\.(css|js)$" in <match>',
    ),
    "the whole path below a folder, of alternatives": (
        PAGE | {"blog/public/css/site.css": ""},
        rule("^css/|^js/", rewrite("/blog/public{URL}")),
        'Write url="/blog/public/{R:0}" in <action> and url="(?:^css/|^js/).*$" in <match>',
    ),
    "every path below a folder": (
        PAGE | {"blog/public/site.css": ""},
        rule("(.*)", rewrite("public{PATH_INFO}")),
        "Write 'public/{R:0}'.",
    ),
    "a part of the path below a folder": (
        PAGE | {"blog/public/site.css": ""},
        rule("(.*\\.css)", rewrite("public/{R:1}")),
        "",
    ),
    "the whole path below the folder of its name": (
        PAGE | {"blog/public/blog/site.css": ""},
        rule("\\.(css|js)$", rewrite("public{URL}")),
        "",
    ),
    "the whole path behind a script": (
        PAGE | {"blog/index.php": ""},
        rule("(.*)", rewrite("index.php{PATH_INFO}"), NO_FILE),
        "",
    ),
}


@pytest.mark.parametrize(("files", "inner", "told"), OF_FOLDERS.values(), ids=list(OF_FOLDERS))
def test_rules_of_a_folder(tmp_path: Path, files: Mapping[str, str], inner: str, told: str) -> None:
    write(tmp_path, {**files, IN_BLOG: rules(inner)})
    found = hints(tmp_path)
    assert len(found) == bool(told) and told in "".join(found.values()), found


NO_IMAGES = '<add input="{REQUEST_URI}" pattern="\\.(png|svg)$" negate="true" />'
PAGES = PAGE | {"product.html": ""}
PRODUCT = "^product/(\\d+)$", rewrite("product.html?id={R:1}")


def going_on(text: str) -> str:
    """A rule that does not stop."""
    return text.replace('stopProcessing="true"', 'stopProcessing="false"', 1)


def no_host(pattern: str, url: str) -> str:
    """A redirect for other hosts than ``pattern``."""
    return rule("(.*)", redirect(url), host(pattern, ' negate="true"'))


def path(pattern: str, more: str = "") -> str:
    return f'<add input="{{URL}}" pattern="{pattern}"{more} />'


def whole(pattern: str) -> str:
    return f'<add input="{{REQUEST_URI}}" pattern="{pattern}" />'


def of(variable: str, pattern: str, more: str = "") -> str:
    """A condition."""
    return f'<add input="{variable}" pattern="{pattern}"{more} />'


#: Files of a site, rules, the code that they get, and the words of its remedy; "" for none.
MEANT: dict[str, tuple[Mapping[str, str], str, str, str]] = {
    **{
        f"both syntaxes in one: '{pattern}'": (
            {},
            rule(pattern, redirect("/img/{R:1}"), more=' patternSyntax="Wildcard"'),
            "rewrite-regex-as-wildcard",
            told,
        )
        for pattern, told in [
            ("old/*.(jpg|png)", r"and write '^old/(.*)\.(jpg|png)$' in place of 'old/*.(jpg|png)'"),
            ("*.(html|php)$", r"and write '^(.*)\.(html|php)$' in place"),
            ("^old/.*\\.(jpg|png)$", 'Remove patternSyntax="Wildcard".'),
            ("old/*.jpg", ""),
        ]
    },
    "a group that the other syntax has": (
        {},
        rule("old/*.(jpg|png)", redirect("/{R:1}.{R:2}"), more=' patternSyntax="Wildcard"'),
        "rewrite-bad-reference",
        "",
    ),
    **{
        f"all below a folder: '{pattern}' for {url}": (
            {},
            rule(pattern, redirect(url)),
            "rewrite-leading-slash",
            told,
        )
        for pattern, url, told in [
            (
                "^/dist/*",
                "https://a.example/x/dist/{R:0}",
                'url="^dist/(.*)$" in <match>, url="https://a.example/x/dist/{R:1}" in <action>',
            ),
            ("^/dist/*", "https://a.example/{R:0}", 'url="^dist/(.*)$" in <match>.'),
            ("^/a/b/*$", "/new", 'url="^a/b/(.*)$" in <match>.'),
            ("^/dist/.*", "/new", "Write '^dist/.*'."),
            ("^dist/(.*)$", "/new/{R:1}", ""),
        ]
    },
    **{
        f"a page for '{file}'": (
            {"app.html": "", file: ""},
            rule("^(?!api/)(.*)$", rewrite("app.html")),
            "rewrite-hides-file",
            told,
        )
        for file, told in [("app.js", "IsFile"), ("app.css", "IsFile"), ("old/app.html", "")]
    },
    **{
        f"a word inside of '{file}': '{pattern}'": (
            {"down.html": "", file: ""},
            rule(pattern, redirect("https://a.example/")),
            "rewrite-takes-files",
            told,
        )
        for pattern, file, told in [
            (".*test.*", "latest-changes.html", "^test(?:/.*)?$"),
            ("(.*)test", "contest.css", "^test(?:/.*)?$"),
            (".*test.*", "my-test.html", ""),
            (".*test.*", "test/a.css", ""),
        ]
    },
    "a slash that may be missing before the query": (
        {},
        rule("^foo/?bar=123", rewrite("foo.aspx")),
        "rewrite-query-in-pattern",
        'url="^foo/?$" in <match>',
    ),
    "a part of a host under MatchAny": (
        {},
        rule(
            "(.*)",
            redirect("https://www.example.com/{C:1}/{R:1}"),
            any_of=host(r"^old\.example$") + host(r"^([a-z]+)\.old\.example$"),
        ),
        "rewrite-bad-reference",
        "Write a rule for each condition",
    ),
    **{
        f"a folder's files that {later} may replace": (
            PAGE | {"uploads/a.png": "", "app.py": ""},
            going_on(rule("^media/(.*)$", rewrite("uploads/{R:1}")))
            + rule("^(.*)$", rewrite(later), condition),
            "rewrite-overwritten",
            told,
        )
        for later, condition, told in [
            ("app.py/{R:1}", path("^/static/", ' negate="true"'), 'stopProcessing="true"'),
            ("index.html", path("^/api", ' negate="true"'), 'stopProcessing="true"'),
            ("app.py", path("^/uploads/", ' negate="true"'), ""),
            ("app.py/{R:0}", NO_FILE, ""),
            ("v2/{R:1}", path("^/static/", ' negate="true"'), ""),
        ]
    },
    "files that are hidden beside a rule for others": (
        PAGE | {"uploads/a.png": "", "img/b.png": "", "app.py": ""},
        going_on(rule("^media/(.*)$", rewrite("uploads/{R:1}")))
        + rule("^(.*)$", rewrite("app.py/{R:1}"), path("^/static/", ' negate="true"')),
        "rewrite-hides-file",
        "IsFile",
    ),
    **{
        f"a host where the path is tested: '{pattern}'": (
            {},
            rule("^old$", redirect("/new"), of("{REQUEST_URI}", pattern, ' negate="true"')),
            "rewrite-impossible-condition",
            told,
        )
        for pattern, told in [
            ("localhost", r'input="{HTTP_HOST}" pattern="^localhost(?::\d+)?$"'),
            ("^localhost:8080$", 'input="{HTTP_HOST}"'),
            (r"127\.0\.0\.1", 'input="{HTTP_HOST}"'),
            (r"www\.", 'input="{HTTP_HOST}"'),
            (r".*shop\.example\.dk.*", r'input="{HTTP_HOST}" pattern="^shop\.example\.dk$"'),
            ("/localhost/", ""),
            ("localhost-tools", ""),
            (r"^/a\.com$", ""),
            (r"\.net$", ""),
        ]
    },
    **{
        f"a host in a pattern: '{pattern}'": (
            {},
            rule(pattern, redirect(url)),
            "rewrite-query-in-pattern",
            told,
        )
        for pattern, url, told in [
            (
                r"^(?:https?://)?(?:www\.)?old\.de/(.*)$",
                "https://new.de/{R:1}",
                r'url="^(.*)$" in <match>, and add <add input="{HTTP_HOST}" pattern="^(?:www\.)?old\.de$"',
            ),
            (
                r"^(https?://)?(www\.)?old\.de/(.*)$",
                "https://new.de/{R:3}",
                'url="^(.*)$" in <match>, url="https://new.de/{R:1}" in <action>',
            ),
            (r"^(www\.)?old\.de$", "https://new.de/", 'input="{HTTP_HOST}"'),
            (r"(?:www\.)old\.com", "https://new.de/", 'input="{HTTP_HOST}"'),
            (r"^www/old\.html$", "/new", ""),
            (r"^(www|web)/", "/new/", ""),
        ]
    },
    **{
        f"every URL for the empty one: '{pattern}'": (
            PAGE | {"start.html": "", "faq.html": ""},
            rule(pattern, action),
            "rewrite-start-page",
            told,
        )
        for pattern, action, told in [
            ("^", rewrite("/start.html"), 'url="^$"'),
            ("$", redirect("/home"), 'url="^$"'),
            (".?", rewrite("home.aspx?id=1"), 'url="^$"'),
            ("^/*", redirect("/app/home"), 'url="^$"'),
            ("/?", redirect("/welcome.html"), 'url="^$"'),
            ("^$", rewrite("/start.html"), ""),
            (".*", rewrite("/start.html"), ""),
            ("^", rewrite("/app.html"), ""),
            ("^", rewrite("start.js"), ""),
        ]
    },
    "every URL but files": (
        PAGE,
        rule("^", rewrite("home.php"), NO_FILE),
        "rewrite-start-page",
        "",
    ),
    "the protocol as a scheme": (
        {},
        rule(
            ".*",
            redirect("{C:1}://www.{HTTP_HOST}/{R:0}"),
            host("^www\\.", ' negate="true"') + of("{SERVER_PROTOCOL}", "^(.*)(/.*)?$"),
        ),
        "rewrite-target-scheme",
        'url="https://www.{HTTP_HOST}/{R:0}" in <action>',
    ),
    "a part of the protocol as a scheme": (
        {},
        rule(
            ".*",
            redirect("{C:1}://a.example/{R:0}"),
            of("{SERVER_PROTOCOL}", "^([^/]+)/") + host("^www\\.", ' negate="true"'),
        ),
        "rewrite-target-scheme",
        'pattern="^(https?):" in the condition <add input="{SERVER_PROTOCOL}"',
    ),
    "on and off as a scheme": (
        {},
        rule(".*", redirect("{C:1}://a.example/{R:0}"), of("{HTTPS}", "(.*)")),
        "rewrite-target-scheme",
        'url="https://a.example/{R:0}"',
    ),
    "a variable as a scheme": (
        {},
        rule("^old$", redirect("{HTTPS}://a.example/{R:0}")),
        "rewrite-target-scheme",
        'url="https://a.example/{R:0}"',
    ),
    "the scheme of another server": (
        {},
        rule("^old$", redirect("{REQUEST_SCHEME}://a.example/{R:0}")),
        "rewrite-unknown-variable",
        "https://a.example/{R:0}",
    ),
    "the scheme of the cache's URL": (
        {},
        rule("^old$", redirect("{C:1}://a.example/x"), of("{CACHE_URL}", "^(.+)://")),
        "rewrite-target-scheme",
        "",
    ),
    "the scheme that a proxy tells": (
        {},
        rule("^old$", redirect("{C:1}://a.example/x"), of("{HTTP_X_FORWARDED_PROTO}", "(.*)")),
        "rewrite-target-scheme",
        "",
    ),
    "the scheme by one letter": (
        {},
        rule("^old$", redirect("http{C:1}://a.example/x"), of("{HTTPS}s", "^on(s)|off")),
        "rewrite-target-scheme",
        "",
    ),
    "a page that a rule with a condition replaces": (
        PAGES,
        going_on(rule(*PRODUCT)) + rule(".*", rewrite("index.html"), NO_IMAGES),
        "rewrite-overwritten",
        'stopProcessing="true"',
    ),
    "a page that a rule replaces for all but one folder": (
        PAGES,
        going_on(rule(*PRODUCT))
        + rule(
            "^(?!api/).*$", rewrite("/index.html"), '<add input="{REQUEST_METHOD}" pattern="GET" />'
        ),
        "rewrite-overwritten",
        'stopProcessing="true"',
    ),
    "a page that a rule for no file leaves alone": (
        PAGES,
        going_on(rule(*PRODUCT)) + rule(".*", rewrite("index.html"), NO_FILE),
        "rewrite-overwritten",
        "",
    ),
    "files of a folder, and all others": (
        PAGE | {"public/a.css": ""},
        going_on(rule(r"\.(?:css|js)$", rewrite("public/{R:0}")))
        + rule(".*", rewrite("index.html"), NO_FILE),
        "rewrite-overwritten",
        "",
    ),
    "URLs of a program, and all others": (
        PAGE | {"app.py": ""},
        going_on(rule("^api/(.*)$", rewrite("app.py/{R:1}")))
        + rule(".*", rewrite("index.html"), NO_FILE),
        "rewrite-overwritten",
        'stopProcessing="true"',
    ),
    "a script that an earlier rule leads to as well": (
        PAGE | {"main.py": ""},
        going_on(rule(r"^[\w-]+(/[\w-]+)?$", rewrite("main.py")))
        + rule("^tools/fetch", rewrite("main.py")),
        "rewrite-never-reached",
        "",
    ),
    "a script that an earlier rule leads to otherwise": (
        PAGE | {"main.py": ""},
        going_on(rule(r"^[\w-]+(/[\w-]+)?$", rewrite("main.py?a=1")))
        + rule("^tools/fetch", rewrite("main.py")),
        "rewrite-never-reached",
        "before it",
    ),
    "a wildcard for a folder and its query": (
        {},
        rule("(.*)", redirect("/new"), whole("/old/*")),
        "rewrite-wildcard-as-regex",
        "Write '^/old(?:[/?].*)?$'",
    ),
    "a wildcard for a folder": (
        {},
        rule("(.*)", redirect("/new"), path("/old/*")),
        "rewrite-wildcard-as-regex",
        "Write '^/old(?:/.*)?$'",
    ),
    "a wildcard whose star is used": (
        {},
        rule("(.*)", redirect("/new/{C:1}"), path("/old/*")),
        "rewrite-wildcard-as-regex",
        "Write '^/old/(.*)$'",
    ),
    "a page that is the same": (
        PAGE,
        going_on(rule("^p/(\\d+)$", rewrite("index.html?p={R:1}")))
        + rule(".*", rewrite("index.html"), NO_IMAGES),
        "rewrite-overwritten",
        "",
    ),
    "a page that is passed on": (
        PAGES | {"public/product.html": ""},
        going_on(rule(*PRODUCT)) + rule("(.*)", rewrite("public/{R:1}"), NO_IMAGES),
        "rewrite-overwritten",
        "",
    ),
    "the host without www": (
        {},
        no_host(r"^www\.(.+)$", "https://www.{C:1}/{R:1}"),
        "rewrite-bad-reference",
        'Write url="https://www.{HTTP_HOST}/{R:1}" in <action>.',
    ),
    "the host, of which the second group is meant": (
        {},
        no_host(r"^(www|blog)\.(.*)$", "https://www.{C:2}{URL}"),
        "rewrite-bad-reference",
        'Write url="https://www.{HTTP_HOST}{URL}" in <action>.',
    ),
    "the host, to which it would come back": (
        {},
        no_host(r"^(www\.example\.org)$", "https://{C:1}/{R:1}"),
        "rewrite-bad-reference",
        "Use {R:n}, or test",
    ),
    "backslashes that are refused": (
        {},
        rule(r"^\.well-known\acme-challenge\.*$", 'type="None"'),
        "rewrite-bad-pattern",
        r"Write '^\.well-known/acme-challenge/.*$':",
    ),
    "backslashes before letters with a meaning": (
        {},
        rule(r"^files\docs\news\test.txt$", redirect("/new")),
        "rewrite-backslash",
        r"Write '^files/docs/news/test.txt$'.",
    ),
    "backslashes before a group": (
        {},
        rule(r"^static\(.*)$", redirect("/new")),
        "rewrite-bad-pattern",
        r"Write '^static/(.*)$':",
    ),
    "digits and blanks": (
        {},
        rule(r"^item\s\d+\sof\d$", redirect("/new")),
        "rewrite-backslash",
        "",
    ),
    "an escape that is only unusual": (
        {},
        rule(r"^a\-b\/c\.html$", redirect("/new")),
        "rewrite-backslash",
        "",
    ),
    "backslashes of the disk": (
        {},
        rule(".*", redirect("/new"), '<add input="{REQUEST_FILENAME}" pattern="wwwroot\\area$" />'),
        "rewrite-bad-pattern",
        "no meaning in this dialect",
    ),
    "slashes that the first of two groups has": (
        {},
        rule("(.*)", redirect("{C:1}/{C:2}"), path(r"^(.*)\/services\/(.*)$")),
        "rewrite-double-slash",
        "",
    ),
    "slashes of a host and the first group": (
        {},
        rule("(.*)", redirect("https://www.example.org/{C:1}/{C:2}"), path("^(.*)/en/(.*)$")),
        "rewrite-double-slash",
        "Write 'https://www.example.org{C:1}/{C:2}'.",
    ),
    "the whole path of a condition": (
        {},
        rule("(.*)", redirect("https://www.example.org/{C:1}"), path("^(.*)$")),
        "rewrite-double-slash",
        "Write 'https://www.example.org{C:1}'.",
    ),
    "what is below a folder": (
        {},
        rule("^advice(.*)$", redirect("https://www.example.org/advice/{R:1}")),
        "rewrite-double-slash",
        'Write url="^advice/?(.*)$" in <match>.',
    ),
    "what is below a folder, in a condition": (
        {},
        rule("^advice", redirect("https://www.example.org/{C:1}"), path("^/advice(.*)$")),
        "rewrite-double-slash",
        'Write pattern="^/advice/?(.*)$" in the condition <add input="{URL}" pattern="^/advice(.*)$">.',
    ),
    "what is below a folder, with its slash": (
        {},
        rule("^advice/(.*)$", redirect("https://www.example.org/advice/{R:1}")),
        "rewrite-double-slash",
        "",
    ),
    "the rest of a name": (
        {},
        rule("^dist/v(.*)", redirect("https://cdn.example.org/{R:1}")),
        "rewrite-double-slash",
        "",
    ),
    "the rest of an item": (
        {},
        rule("^item-(.*)", redirect("https://cdn.example.org/{R:1}")),
        "rewrite-double-slash",
        "",
    ),
    "a folder at the end of a host": (
        {},
        rule("^bline(.*)$", redirect("https://www.example.org{R:1}")),
        "rewrite-target-glued",
        'Write url="^bline(/.*)?$" in <match>.',
    ),
    "a part of a folder at the end of a host": (
        {},
        rule("^bline", redirect("https://www.example.org{C:1}"), whole("^/bline(.*)$")),
        "rewrite-target-glued",
        'Write pattern="^/bline([/?].*)?$" in the condition',
    ),
    "the slash that a group may have": (
        {},
        rule("^bline(/.*)?$", redirect("https://www.example.org{R:1}")),
        "rewrite-target-glued",
        "",
    ),
    "a variable that is the path": (
        {},
        rule("(.*)", redirect("https://{HTTP_HOST}/{REQUEST_URL}"), OFF),
        "rewrite-unknown-variable",
        "Write 'https://{HTTP_HOST}{URL}'.",
    ),
    "a variable that is the path with its query": (
        {},
        rule(
            "(.*)",
            redirect("https://{HOST}/x") + ' appendQueryString="false"',
            OFF,
        ),
        "rewrite-unknown-variable",
        "Write 'https://{HTTP_HOST}/x'.",
    ),
    "a variable of a query": (
        {},
        rule("^a$", redirect("/b?from={REQUEST_URL}") + ' appendQueryString="false"'),
        "rewrite-unknown-variable",
        "Write '/b?from={REQUEST_URI}'.",
    ),
    "one regular expression among wildcards": (
        {},
        rule("*", redirect("/new"), path(r"/pages*\.php"), more=' patternSyntax="Wildcard"'),
        "rewrite-regex-as-wildcard",
        r"Write '/pages*.php' in place of '/pages*\.php':",
    ),
    "several regular expressions among wildcards": (
        {},
        rule(
            "*.html",
            redirect("/new"),
            path("[^/]$", ' negate="true"') + '<add input="{QUERY_STRING}" pattern=".*=.*" />',
            more=' patternSyntax="Wildcard"',
        ),
        "rewrite-regex-as-wildcard",
        r"""Remove patternSyntax="Wildcard", and write '^.*\.html$' in place of '*.html'.""",
    ),
    "regular expressions alone": (
        {},
        rule("^a/(.*)$", redirect("/new"), path("^/a/b.*$"), more=' patternSyntax="Wildcard"'),
        "rewrite-regex-as-wildcard",
        'Remove patternSyntax="Wildcard".',
    ),
    "wildcards behind dots": (
        {},
        rule(
            "index.*",
            redirect("/new"),
            '<add input="{REMOTE_ADDR}" pattern="10.0.*.*" />' + host("*.example.*"),
            more=' patternSyntax="Wildcard"',
        ),
        "rewrite-regex-as-wildcard",
        "",
    ),
    "a query that is a regular expression": (
        {},
        rule(
            "*",
            redirect("/new"),
            '<add input="{QUERY_STRING}" pattern=".*=1" />',
            more=' patternSyntax="Wildcard"',
        ),
        "rewrite-regex-as-wildcard",
        "Write '*=1' in place of '.*=1'",
    ),
    "wildcards alone": (
        {},
        rule("*.html", redirect("/new"), path("/a/*"), more=' patternSyntax="Wildcard"'),
        "rewrite-regex-as-wildcard",
        "",
    ),
}

HTTPS_ON = '<add input="{HTTPS}" pattern="on" />'
WWW = host(r"^www\.example\.org$", ' negate="true"')
TO_HTTPS = rule("(.*)", redirect("https://{HTTP_HOST}/{R:1}"), OFF)
LISTED = '<add input="{REQUEST_URI}" pattern="css|js|png" negate="true" />'
MEANT |= {
    "a user who is no group of the URL": (
        {},
        rule("(.*)", rewrite("http://localhost:8080/{R:1}")).replace(
            "</rule>",
            '<serverVariables><set name="HTTP_X_AUTH_USER" value="{C:1}" /></serverVariables></rule>',
        ),
        "rewrite-bad-reference",
        "Use {R:n}",
    ),
    "every URL to HTTP": (
        {},
        rule("(.*)", redirect("http://{HTTP_HOST}/{R:1}"), HTTPS_ON),
        "redirect-to-http",
        'Write url="https://{HTTP_HOST}/{R:1}" in <action> and pattern="^off$" in the condition <add',
    ),
    "every URL to HTTP, of a negated condition": (
        {},
        rule(
            ".*",
            redirect("http://{HTTP_HOST}{REQUEST_URI}") + ' appendQueryString="false"',
            OFF.replace("/>", 'negate="true" />'),
        ),
        "redirect-to-http",
        'and pattern="^on$"',
    ),
    "all but one folder to HTTP": (
        {},
        rule(
            "(.*)",
            redirect("http://{HTTP_HOST}/{R:1}"),
            HTTPS_ON + '<add input="{URL}" pattern="^/shop/" negate="true" />',
        ),
        "redirect-to-http",
        "",
    ),
    "another host that has HTTP only": (
        {},
        rule("(.*)", redirect("http://old.example.org/{R:1}"), HTTPS_ON),
        "redirect-to-http",
        "",
    ),
    "the canonical host by HTTP, before HTTPS": (
        {},
        rule("(.*)", redirect("http://www.example.org/{R:1}"), WWW) + TO_HTTPS,
        "redirect-to-http",
        'Write url="https://www.example.org/{R:1}" in <action>.',
    ),
    "the canonical host by HTTP, behind HTTPS": (
        {},
        TO_HTTPS + rule("(.*)", redirect("http://www.example.org/{R:1}"), WWW),
        "redirect-to-http",
        "and put this rule before",
    ),
    "the canonical host by HTTP, of a site without HTTPS": (
        {},
        rule("(.*)", redirect("http://www.example.org/{R:1}"), WWW),
        "redirect-to-http",
        "",
    ),
    "extensions without their dot": (
        {},
        rule(".*", rewrite("main.py"), LISTED),
        "rewrite-extensions",
        r"Write '\.(?:css|js|png)(?:\?|$)'.",
    ),
    "extensions at the end of a pattern": (
        {},
        rule("(jpg|png|gif)$", redirect("/none")),
        "rewrite-extensions",
        r"Write '\.(?:jpg|png|gif)$'.",
    ),
    "extensions with their dot": (
        {},
        rule(r"\.(jpg|png|gif)$", redirect("/none")),
        "rewrite-extensions",
        "",
    ),
    "folders": ({}, rule("css|js|json", redirect("/none")), "rewrite-extensions", ""),
    "extensions in a query": (
        {},
        rule(".*", redirect("/none"), LISTED.replace("REQUEST_URI", "QUERY_STRING")),
        "rewrite-extensions",
        "",
    ),
    "a dot between two words": (
        {},
        rule(r"^v1/([\w-]+).([a-z]+)$", rewrite("main.py?e={R:1}&amp;f={R:2}")),
        "rewrite-dot-cuts",
        r"Write '^v1/([\w-]+)\.([a-z]+)$', and",
    ),
    "a dot between a word and an extension": (
        {},
        rule(r"^v1/([\w-]+).(json|xml)$", rewrite("main.py?e={R:1}&amp;f={R:2}")),
        "rewrite-dot-cuts",
        "",
    ),
    "a dot between words that is one": (
        {},
        rule(r"^v1/([\w-]+)\.([a-z]+)$", rewrite("main.py?e={R:1}&amp;f={R:2}")),
        "rewrite-dot-cuts",
        "",
    ),
    "a placeholder of Express": (
        {},
        rule("^(en|de)/p/:id/:name$", redirect("/{R:1}/page/:name?id=:id")),
        "rewrite-placeholder",
        'Write url="^(en|de)/p/([^/]+)/([^/]+)$" in <match> and url="/{R:1}/page/{R:3}?id={R:2}" in',
    ),
    "a placeholder of Flask": (
        {},
        rule("^p/&lt;int:id>$", redirect("/page/{R:1}")),
        "rewrite-placeholder",
        'Write url="^p/([^/]+)$"',
    ),
    "a placeholder of Next.js": (
        {},
        rule(r"^blog/[slug]$", redirect("/post/{R:1}")),
        "rewrite-placeholder",
        'Write url="^blog/([^/]+)$"',
    ),
    "a placeholder that is refused": (
        {},
        rule("^p/{id:int}/{*rest}$", redirect("/page/{R:1}")),
        "rewrite-bad-pattern",
        "Write '^p/([^/]+)/(.*)$'",
    ),
    "a host with any port": (
        {},
        rule(".*", rewrite("{C:1}/{R:0}"), host(r"^(?:www\.)?(.+):\d{2,5}$")),
        "rewrite-impossible-condition",
        r'Write pattern="^(?:www\.)?(.+?)(?::\d{2,5})?$".',
    ),
    "a host with any port, as a group": (
        {},
        rule(".*", rewrite("{C:1}/{R:0}"), host(r"^(.*)(:[0-9]+)$")),
        "rewrite-impossible-condition",
        'Write pattern="^(.*?)(:[0-9]+)?$".',
    ),
    "a host with one port": (
        {},
        rule(".*", rewrite("/b/{R:0}"), host(r"^localhost:8080$")),
        "rewrite-impossible-condition",
        "",
    ),
    "a port to be removed": (
        {},
        rule("(.*)", redirect("https://{C:1}/{R:1}"), host(r"^(.+):\d+$")),
        "rewrite-impossible-condition",
        "",
    ),
    "a word inside the name of a file": (
        {"css/jazz.css": ""},
        rule("ZZ", redirect("/locations")),
        "rewrite-takes-files",
        "Write '^ZZ/?$'.",
    ),
    "a page below a folder": (
        {"index.html": "", "docs/index.html": ""},
        rule(r"index\.html$", redirect("/")),
        "rewrite-takes-files",
        r"Write '^index\.html$'.",
    ),
    "a word that begins the path of a file": (
        {"zz/jazz.css": ""},
        rule("zz", redirect("/locations")),
        "rewrite-takes-files",
        "",
    ),
    "a word at the start": (
        {"css/jazz.css": ""},
        rule("^zz", redirect("/locations")),
        "rewrite-takes-files",
        "",
    ),
    "an extension": (
        {"a.htm": ""},
        rule(r"(.*)\.htm$", redirect("/{R:1}")),
        "rewrite-takes-files",
        "",
    ),
    "a wildcard behind a folder": (
        {},
        rule("hello/*", rewrite("main.py")),
        "rewrite-wildcard-as-regex",
        "Write '^hello(?:/.*)?$',",
    ),
    "a wildcard that is a group": (
        {},
        rule("hello/*", redirect("/new/{R:1}")),
        "rewrite-wildcard-as-regex",
        "Write '^hello/(.*)$',",
    ),
    "anchors of several texts": (
        {},
        rule("^a$ ^b/?$", redirect("/new")),
        "rewrite-anchor-inside",
        "Write '^(?:a|b/?)$'.",
    ),
    "an end inside": (
        {},
        rule("^docs$/(.*)", redirect("/new/{R:1}")),
        "rewrite-anchor-inside",
        "Write '^docs/(.*)'.",
    ),
    "a start inside": (
        {},
        rule("(.+)^old$", redirect("/new")),
        "rewrite-anchor-inside",
        "Write '(.+)old$'.",
    ),
    "an end that is one way of two": (
        {},
        rule("^docs(/|$)(.*)", redirect("/new/{R:2}")),
        "rewrite-anchor-inside",
        "",
    ),
    "anchors of alternatives": ({}, rule("^a$|^b$", redirect("/new")), "rewrite-anchor-inside", ""),
    "a start that may be one": (
        {},
        rule("(.*)^old", redirect("/new")),
        "rewrite-anchor-inside",
        "",
    ),
    "an end in a set, and an escaped one": (
        {},
        rule(r"^a[$]b\$c(?=$|x)", redirect("/new")),
        "rewrite-anchor-inside",
        "",
    ),
    "a parameter behind another": (
        {},
        rule("^p$", redirect("/new"), '<add input="{QUERY_STRING}" pattern="^&amp;a=1&amp;b=2" />'),
        "rewrite-impossible-condition",
        "Write '(?:^|&)a=1&b=2'.",
    ),
    "a colon in a path, and sets of letters": (
        {},
        rule("^wiki/(Talk:|User:)?[abc]/([a-z]{2})$", redirect("/w/{R:1}")),
        "rewrite-placeholder",
        "",
    ),
}


@pytest.mark.parametrize(("files", "inner", "code", "told"), MEANT.values(), ids=list(MEANT))
def test_what_a_rule_was_meant_to_be(
    tmp_path: Path, files: Mapping[str, str], inner: str, code: str, told: str
) -> None:
    write(tmp_path, {**files, "web.config": rules(inner)})
    found = {one.code: one.hint for one in check(Site(tmp_path))}
    assert (code in found) == bool(told) and told in found.get(code, ""), found


INDEX = {"index.html": "", "docs/index.html": ""}
TO_PAGE = rule(".*", rewrite("/index.html"), NO_FILE)


@pytest.mark.parametrize(
    ("files", "inner", "told"),
    [
        (INDEX, TO_PAGE, True),
        (
            {"index.php": "", "wp-admin/index.php": ""},
            rule("(.*)", rewrite("index.php/{R:1}"), NO_FILE),
            True,
        ),
        (INDEX, rule(".*", rewrite("/index.html"), NO_FILE + NO_FOLDER), False),
        (INDEX, rule("^docs/", 'type="None"') + TO_PAGE, False),
        ({"index.html": "", "src/index.html": "", "docs/a.html": ""}, TO_PAGE, False),
        (INDEX, rule(".*", rewrite("handler.fcgi/{R:0}"), NO_FILE), False),
        (INDEX, rule(".*", rewrite("docs/index.html"), NO_FILE), False),
    ],
    ids=["page", "php", "both tests", "left", "sources", "program", "its own page"],
)
def test_a_fallback_hides_the_pages_of_folders(
    tmp_path: Path, files: Mapping[str, str], inner: str, told: bool
) -> None:
    php = "<defaultDocument><files><add value='index.php' /></files></defaultDocument>"
    config = rules(inner).replace("<rewrite>", f"{php}<rewrite>")
    write(tmp_path, {**files, "web.config": config})
    assert ("rewrite-hides-folder" in hints(tmp_path)) == told


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (
            '"><add wildcard="/news*" destination="/n" /><add wildcard="/news/*.asp" destination="/o" />',
            "Put",
        ),
        (
            '"><add wildcard="/news/*.asp" destination="/o" /><add wildcard="/news*" destination="/n" />',
            "",
        ),
        (
            '"><add wildcard="*.asp" destination="/o" /><add wildcard="*.php" destination="/n" />',
            "",
        ),
        (
            '" destination="/x"><add wildcard="*.asp" destination="/o" />',
            'Remove destination="/x";',
        ),
    ],
)
def test_entries_of_http_redirect(tmp_path: Path, inner: str, told: str) -> None:
    section = f'<httpRedirect enabled="true{inner}</httpRedirect>'
    write(tmp_path, {"web.config": web_config(section)})
    found = hints(tmp_path).get("redirect-wildcard", "")
    assert found.startswith(told) and bool(found) == bool(told)


PAGE_404 = '<httpErrors errorMode="Custom"><remove statusCode="404" />{}</httpErrors>'


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("~/errors/404.html", 'Write path="errors\\404.html" responseMode="File"'),
        ("~/gone", "Write '/gone'."),
    ],
)
def test_a_tilde_before_an_error_page(tmp_path: Path, path: str, told: str) -> None:
    """A file is not to be executed: it would answer 200."""
    page = f'<error statusCode="404" path="{path}" responseMode="ExecuteURL" />'
    config = web_config(PAGE_404.format(page))
    write(tmp_path, {"errors/404.html": "", "web.config": config})
    assert told in hints(tmp_path)["errors-page"]


@pytest.mark.parametrize(
    ("path", "files", "told"),
    [
        ("errors/404.html", ["errors/404.html"], 'path="errors\\404.html" responseMode="File"'),
        ("errors\\404.html", ["errors/404.html"], 'path="errors\\404.html" responseMode="File"'),
        ("errors/404.php", [], 'Write path="/errors/404.php".'),
        ("gone", [], 'Write path="/gone".'),
    ],
)
def test_an_executed_page_without_its_slash(
    tmp_path: Path, path: str, files: list[str], told: str
) -> None:
    """A file is not to be executed: it would answer 200."""
    page = f'<error statusCode="404" path="{path}" responseMode="ExecuteURL" />'
    write(
        tmp_path,
        {**dict.fromkeys(files, ""), "web.config": web_config(PAGE_404.format(page))},
    )
    assert told in hints(tmp_path)["errors-page"]


@pytest.mark.parametrize(
    ("files", "told"),
    [(["errors/500.html"], 'Write path="errors\\500.html"'), (["index.html"], "Write a page")],
)
def test_a_page_that_the_failing_program_makes(tmp_path: Path, files: list[str], told: str) -> None:
    page = PAGE_404.replace("404", "500").format(
        '<error statusCode="500" path="/error" responseMode="ExecuteURL" />'
    )
    config = web_config(python_handler() + page)
    write(tmp_path, {**dict.fromkeys(files, ""), "web.config": config})
    found = [one.hint for one in check(Site(tmp_path)) if one.code == "errors-own-program"]
    assert [hint.startswith(told) for hint in found] == [True]


def test_the_query_of_a_whole_url(tmp_path: Path) -> None:
    whole = '<add input="{REQUEST_URI}" pattern="^/blog(.*)$" />'
    config = rules(rule("^blog(/.*)?$", redirect("https://blog.example.org{C:1}"), whole))
    write(tmp_path, {"web.config": config})
    assert [one.code for one in check(Site(tmp_path))] == ["rewrite-query-twice"]


@pytest.mark.parametrize(
    ("pattern", "condition", "url", "fixed"),
    [
        ("(.*)", path("^(.*)$"), "https://www.example.org/{C:1}", True),
        ("^(.*)$", OFF, "https://{HTTP_HOST}/{URL}", True),
        ("^([a-z]+)(/.*)$", "", "https://www.example.org/{R:1}/{R:2}", False),
        ("^advice(.*)$", "", "https://www.example.org/{R:1}", False),
    ],
)
def test_only_slashes_that_are_certain_are_fixed(
    tmp_path: Path, pattern: str, condition: str, url: str, fixed: bool
) -> None:
    write(tmp_path, {"web.config": rules(rule(pattern, redirect(url), condition))})
    found = [one for one in check(Site(tmp_path)) if one.code == "rewrite-double-slash"]
    assert [bool(one.fix) for one in found] == [fixed]


#: A key, what its map is asked for, and what it has to be asked for; "" where it fits.
ADDRESSES = [
    ("https://www.a.example/x", "{REQUEST_URI}", "https://{HTTP_HOST}{REQUEST_URI}"),
    ("//www.a.example/x", "{URL}", "//{HTTP_HOST}{URL}"),
    ("www.a.example/x", "{R:0}", "{HTTP_HOST}/{R:0}"),
    ("https://www.a.example/x", "https://{HTTP_HOST}{URL}", ""),
    ("www/x", "{R:0}", ""),
]


@pytest.mark.parametrize(("key", "asked", "meant"), ADDRESSES)
def test_keys_with_a_host(tmp_path: Path, key: str, asked: str, meant: str) -> None:
    rewrite_map = f'<rewriteMaps><rewriteMap name="M"><add key="{key}" value="/y" /></rewriteMap></rewriteMaps>'
    condition = f'<add input="{{M:{asked}}}" pattern="(.+)" />'
    config = REWRITE.format(rule("(.*)", redirect("{C:1}"), condition), rewrite_map)
    write(tmp_path, {"web.config": web_config(config)})
    hint = hints(tmp_path).get("rewrite-map-keys", "")
    assert hint == (meant and f'Write input="{{M:{meant}}}".')


@pytest.mark.parametrize(
    ("action", "severity"), [(rewrite("{C:1}"), "warning"), (redirect("{C:1}"), "info")]
)
def test_a_map_that_is_asked_with_the_query(tmp_path: Path, action: str, severity: str) -> None:
    asked = '<add input="{Pages:{REQUEST_URI}}" pattern="(.+)" />'
    write(tmp_path, {"web.config": web_config(REWRITE.format(rule("(.*)", action, asked), MAP))})
    found = [one.severity for one in check(Site(tmp_path)) if one.code == "rewrite-map-query"]
    assert found == [severity]


def test_a_redirect_to_the_own_host_is_a_note_where_the_site_may_have_moved(
    tmp_path: Path,
) -> None:
    config = rules(rule("(.*)", redirect("https://www.example.org/{R:1}")))
    write(tmp_path, {"web.config": config})
    assert {found.severity for found in check(Site(tmp_path))} == {"info"}
    write(tmp_path, PAGE)
    assert [found.severity for found in check(Site(tmp_path))] == ["error"]


def test_a_rule_without_a_name(tmp_path: Path) -> None:
    """No message quotes nothing."""
    first = rule(".*", rewrite("/index.html"), NO_FILE).replace("<rule name", "<rule title")
    second = rule("^x(", redirect("/y")).replace("<rule name", "<rule title")
    config = rules(first + going_on(second) + rule("^old$", redirect("/new")))
    write(tmp_path, PAGE | {"web.config": config})
    said = [f"{found.message} {found.hint}" for found in check(Site(tmp_path))]
    assert any("rule without a name" in text.lower() for text in said), said
    assert [text for text in said if "''" in text] == []


@pytest.mark.parametrize(
    ("files", "folder", "url", "told"),
    [
        (["api/index.php", "index.html"], "api", "/index.php/{R:1}", "index.php/{R:1}"),
        (["api/index.php", "web.config"], "api", "/index.php?p={R:1}", "index.php?p={R:1}"),
        (["api/v1/index.php", "index.html"], "api", "/v1/index.php", "v1/index.php"),
        (["public/index.php", "composer.json"], "public", "/index.php/{R:1}", ""),
        (["index.php", "api/index.php"], "api", "/index.php/{R:1}", ""),
        (["index.html"], "", "/index.php/{R:1}", ""),
        (["index.htm"], "", "/index.html", "/index.htm"),
        (["app.js"], "", "/app.jsx", ""),
        (["public/index.php", "index.html"], "", "/index.php", "/public/index.php"),
    ],
)
def test_files_that_are_meant_are_of_the_type(
    tmp_path: Path, files: list[str], folder: str, url: str, told: str
) -> None:
    """The file of that name below the rule's own folder comes first."""
    config = rules(rule("^(.*)$", rewrite(url), NO_FILE))
    write(
        tmp_path,
        {**dict.fromkeys(files, "<configuration />"), f"{folder}/web.config".lstrip("/"): config},
    )
    found = hints(tmp_path)
    said = found.get("rewrite-target-missing", found.get("rewrite-leaves-folder", ""))
    if told:
        assert said in (f"Write '{told}'.", f"Write '/{folder}/{told}'.")
    else:
        assert "rewrite-target-missing" not in found
