"""Remedies that depend on the rest of the configuration: what check prints, where it is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fcgiemu.catalogue.findings import Span
from fcgiemu.decision import ServeFile
from fcgiemu.diagnosis import fixes
from fcgiemu.diagnosis.check import check
from fcgiemu.diagnosis.tried_remedies import MAX_BYTES, MOST, Remedy, first_that_works, with_remedy
from fcgiemu.http.request import make_request
from fcgiemu.site import Site

from ..sites import python_handler, rules, web_config, wsgi_site

WWW = "https://www.example.org/{R:1}"


def redirect(
    url: str, match: str = 'url="(.*)"', conditions: str = "", any_of: str = "", name: str = "r"
) -> str:
    """A rule that redirects."""
    grouping = ' logicalGrouping="MatchAny"' if any_of else ""
    inner = f"<conditions{grouping}>{conditions or any_of}</conditions>"
    return (
        f'<rule name="{name}"><match {match} />{inner if conditions or any_of else ""}'
        f'<action type="Redirect" url="{url}" /></rule>'
    )


def test(variable: str, pattern: str, more: str = "") -> str:
    """A condition."""
    return f'<add input="{{{variable}}}" pattern="{pattern}"{more} />'


test.__test__ = False  # type: ignore[attr-defined]
NEGATED = ' negate="true"'
#: (rules of a web.config, what the remedy says)
LOOPS = {
    "no condition": (redirect("https://{HTTP_HOST}/{R:1}"), 'input="{HTTPS}" pattern="^off$"'),
    "empty conditions": (
        redirect("https://{HTTP_HOST}/{R:1}").replace("<action", "<conditions /><action"),
        'input="{HTTPS}" pattern="^off$"',
    ),
    "wildcards": (
        redirect("https://{HTTP_HOST}/{R:1}", 'url="*"').replace(
            '"r"', '"r" patternSyntax="Wildcard"'
        ),
        'input="{HTTPS}" pattern="off"',
    ),
    "the wrong value": (
        redirect("https://{HTTP_HOST}/{R:1}", conditions=test("HTTPS", "on")),
        'Write pattern="^off$" in the condition <add input="{HTTPS}" pattern="on">',
    ),
    "negated by mistake": (
        redirect("https://{HTTP_HOST}/{R:1}", conditions=test("HTTPS", "off", NEGATED)),
        'Write negate="false"',
    ),
    "a host inside another": (
        redirect(WWW, conditions=test("HTTP_HOST", "example.org")),
        'Write pattern="^example\\.org$"',
    ),
    "a host inside another, or HTTP": (
        redirect(WWW, any_of=test("HTTPS", "off") + test("HTTP_HOST", "example.org")),
        'Write pattern="^example\\.org$"',
    ),
    "negated hosts, any of them": (
        redirect(
            WWW,
            any_of=test("HTTP_HOST", "^www.example.org$", NEGATED)
            + test("HTTP_HOST", "^a.example.org$", NEGATED),
        ),
        'Write logicalGrouping="MatchAll"',
    ),
    "another host is the exception": (
        redirect(WWW, conditions=test("HTTP_HOST", "^example\\.org$", NEGATED)),
        'Write pattern="^www\\.example\\.org$"',
    ),
    "one page": (redirect("/down.html"), 'input="{URL}" pattern="^/down\\.html$" negate="true"'),
    "one page of a pattern": (
        redirect("/page?lang=en", 'url="^page$"'),
        'input="{QUERY_STRING}" pattern="(^|&amp;)lang=en(&amp;|$)" negate="true"',
    ),
    "a folder": (redirect("/de/{R:1}"), 'input="{URL}" pattern="^/de/" negate="true"'),
    "an extension": (redirect("/{R:1}.html"), 'input="{URL}" pattern="\\.html$" negate="true"'),
    "a slash": (redirect("{R:1}/"), 'Write url="^(.*[^/])$" in <match>'),
    "capitals": (redirect("{ToLower:{URL}}", 'url=".*[A-Z].*"'), 'ignoreCase="false"'),
    "two rules": (
        redirect("/docs/", 'url="^docs$"') + redirect("/docs", 'url="^docs/$"', name="back"),
        "Remove this rule, or 'back'",
    ),
    "two hosts": (
        redirect(WWW, conditions=test("HTTP_HOST", "^example\\.org$"))
        + redirect(
            "https://example.org/{R:1}",
            conditions=test("HTTP_HOST", "^www\\.example\\.org$"),
            name="back",
        ),
        "Remove this rule, or 'back'",
    ),
    "nothing that is known": (
        redirect("/{R:1}", any_of=test("HTTPS", "off") + test("REQUEST_METHOD", "GET")),
        "Add a condition that the target does not meet",
    ),
}

#: (entries of a map, how it is asked, what the remedy says; "" for none)
MAPS = {
    "case": ({"/About": "/about", "/team": "/about"}, "{M:{URL}}", 'ignoreCase="false"'),
    "case, without slashes": ({"About": "about"}, "{M:{R:0}}", 'ignoreCase="false"'),
    "two": ({"/a": "/b", "/b": "/a"}, "{M:{URL}}", 'Remove <add key="/b" value="/a">'),
    "three": (
        {"/a": "/b", "/b": "/c", "/c": "/a", "/x": "/y"},
        "{M:{URL}}",
        'Remove <add key="/c" value="/a">',
    ),
    "itself": ({"/x": "/y", "/a": "/a"}, "{M:{URL}}", 'Remove <add key="/a" value="/a">'),
    "with the query": ({"/a?b": "/c", "/c": "/c"}, "{M:{REQUEST_URI}}", 'key="/c" value="/c"'),
    "a chain": ({"/a": "/b", "/b": "/c"}, "{M:{URL}}", ""),
}


@pytest.mark.parametrize(("entries", "asked", "remedy"), MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("url", ["{C:1}", "https://{HTTP_HOST}{C:1}"])
def test_loops_of_maps(
    make_site: Callable[..., Site], entries: Mapping[str, str], asked: str, remedy: str, url: str
) -> None:
    pairs = "".join(f'<add key="{key}" value="{value}" />' for key, value in entries.items())
    url = url.replace("}{C", "}/{C") if asked == "{M:{R:0}}" else url
    rule = redirect(url, conditions=f'<add input="{asked}" pattern="(.+)" />')
    maps = f'<rewriteMaps><rewriteMap name="M">{pairs}</rewriteMap></rewriteMaps>'
    text = rules(rule).replace("<rules>", f"{maps}<rules>")
    hints = [
        one.hint for one in check(make_site({"web.config": text})) if one.code == "redirect-loop"
    ]
    assert len(hints) == bool(remedy) and remedy in "".join(hints)


PROTO = "HTTP_X_FORWARDED_PROTO"
HERE = "https://{HTTP_HOST}/{R:1}"
#: (rules of a site behind a proxy, what the remedy says; "" for none)
PROXIES = {
    "not negated": (redirect(HERE, conditions=test(PROTO, "^https$")), 'negate="true"'),
    "another header": (
        redirect(HERE, conditions=test("HTTP_X_FORWARDED_SCHEME", "https")),
        'negate="true"',
    ),
    "with the path": (
        redirect(
            "https://{HTTP_HOST}{REQUEST_URI}",
            conditions=test("HTTPS", "off") + test(PROTO, "https"),
        ),
        'negate="true" in the condition <add input="{HTTP_X_FORWARDED_PROTO}" pattern="https">',
    ),
    "both schemes begin so": (redirect(HERE, conditions=test(PROTO, "http")), 'pattern="^http$"'),
    "all but HTTP": (
        redirect(HERE, conditions=test(PROTO, "^http$", NEGATED)),
        'negate="false"',
    ),
    "right": (redirect(HERE, conditions=test(PROTO, "^https$", NEGATED)), ""),
    "of HTTP": (redirect(HERE, conditions=test(PROTO, "^http$")), ""),
    "both": (
        redirect(
            "http://{HTTP_HOST}/{R:1}", conditions=test("HTTPS", "off") + test(PROTO, "https")
        ),
        "",
    ),
    "to www": (
        redirect(WWW, conditions=test(PROTO, "https") + test("HTTP_HOST", "^example.org$")),
        "",
    ),
    "of another folder": (
        redirect("https://{HTTP_HOST}/app/", conditions=test(PROTO, "https")),
        "",
    ),
}


@pytest.mark.parametrize(("text", "remedy"), PROXIES.values(), ids=PROXIES)
def test_loops_behind_a_proxy(make_site: Callable[..., Site], text: str, remedy: str) -> None:
    found = check(make_site({"web.config": rules(text)}))
    hints = [one.hint for one in found if one.code == "redirect-loop"]
    assert len(hints) == bool(remedy) and remedy in "".join(hints)


@pytest.mark.parametrize(("text", "remedy"), LOOPS.values(), ids=LOOPS)
def test_loops(make_site: Callable[..., Site], text: str, remedy: str) -> None:
    found = [
        known
        for known in check(make_site({"web.config": rules(text)}))
        if known.code == "redirect-loop"
    ]
    assert found and remedy in found[0].hint, found


SECTIONS = {
    "": ('destination="/new"', '<location path="new">'),
    "childOnly": ('destination="/a/b.html" exactDestination="true"', '<location path="a/b.html">'),
    "root": ('destination="/" exactDestination="true"', "Remove the section"),
}


@pytest.mark.parametrize(("attributes", "remedy"), SECTIONS.values(), ids=SECTIONS)
def test_loops_of_a_section(make_site: Callable[..., Site], attributes: str, remedy: str) -> None:
    site = make_site({"web.config": web_config(f'<httpRedirect enabled="true" {attributes} />')})
    hints = [known.hint for known in check(site) if known.code == "redirect-loop"]
    assert len(hints) == 1 and remedy in hints[0]


REMOVED = '<handlers><remove name="Python" /></handlers>'
CLEARED = "<handlers><clear /><add "
#: (web.config, other files, what the remedy says)
TAKEN = {
    "inherited": (web_config(python_handler()), {}, "Give /static a web.config of its own: {}"),
    "a list of its own": (
        web_config(python_handler().replace("<handlers>", "<handlers><clear />")),
        {},
        CLEARED,
    ),
    "a rule as well": (
        web_config(
            python_handler()
            + '<rewrite><rules><rule name="r"><match url=".*" />'
            + '<action type="Rewrite" url="app" /></rule></rules></rewrite>'
        ),
        {},
        f"{REMOVED}<rewrite><rules><clear /></rules></rewrite>",
    ),
    "a file there": (
        web_config(python_handler()),
        {"static/web.config": web_config("<urlCompression />")},
        f"Write into <system.webServer> of the web.config in /static: {REMOVED}",
    ),
}


@pytest.mark.parametrize(("config", "files", "remedy"), TAKEN.values(), ids=TAKEN)
def test_files_that_a_handler_takes(
    make_site: Callable[..., Site], config: str, files: Mapping[str, str], remedy: str
) -> None:
    site = make_site({"web.config": config, "static/a.css": "", **files})
    hints = [known.hint for known in check(site) if known.code == "handler-takes-files"]
    remedy = remedy.format(
        f"<configuration><system.webServer>{REMOVED}</system.webServer></configuration>"
    )
    assert len(hints) == 1 and remedy in hints[0]


def test_a_folder_is_left_without_a_handler(make_site: Callable[..., Site]) -> None:
    """What the remedy for an inherited handler does below a list of its own."""
    config = web_config(python_handler().replace("<handlers>", "<handlers><clear />"))
    site = make_site(
        {"web.config": config, "static/a.css": "", "static/web.config": web_config(REMOVED)}
    )
    found = [known for known in check(site) if known.code == "handler-none-for-files"]
    assert [known.span and known.span.file for known in found] == ["static/web.config"]
    assert found[0].message == "No handler takes the requests for existing files: /static/a.css"


FILE = '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'


def rewrite(conditions: str, url: str = "app/{R:0}") -> str:
    """A rule that rewrites every URL."""
    action = f'<action type="Rewrite" url="{url}" />'
    return f'<rule name="r"><match url=".*" />{conditions}{action}</rule>'


HIDDEN = {
    "no condition": (rewrite(""), f"Add {FILE} as a condition."),
    "any of others": (
        rewrite(
            f'<conditions logicalGrouping="MatchAny">{test("HTTPS", "off")}'
            f"{test('HTTPS', 'on')}</conditions>"
        ),
        'Put <rule name="Existing files"',
    ),
    "any, and not a file": (
        rewrite(
            f'<conditions logicalGrouping="MatchAny">{test("HTTPS", "off")}{FILE}</conditions>'
        ),
        'Write logicalGrouping="MatchAll"',
    ),
    "another rule takes it then": (
        rewrite("").replace('"r"', '"first" stopProcessing="true"') + rewrite("", "app2/{R:0}"),
        "Put <rule",
    ),
    "an earlier rule moves it": (
        '<rule name="move"><match url="^static/(.*)" /><action type="Rewrite" url="x/{R:1}" />'
        f"</rule>{rewrite(f'<conditions>{FILE}</conditions>')}",
        f"Add {FILE} as a condition to rule 'move' (web.config:",
    ),
}


@pytest.mark.parametrize(("text", "remedy"), HIDDEN.values(), ids=HIDDEN)
def test_hidden_files(make_site: Callable[..., Site], text: str, remedy: str) -> None:
    found = check(make_site({"web.config": rules(text), "static/a.css": ""}))
    (hides,) = (known for known in found if known.code == "rewrite-hides-file")
    assert hides.hint.startswith(remedy)
    others = [known for known in found if known.span == hides.span]
    assert "rewrite-catch-all" not in [known.code for known in others]  # the same, less exactly


def test_what_cannot_be_tried(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    """A place that is not there, a file that is too large or gone: the next remedy is taken."""
    site = make_site({"web.config": web_config("<urlCompression />")})
    here, nowhere = Span("web.config", 1, 1), Span("web.config", 9, 9)
    last = Remedy("last")
    for change in (("@a=b", nowhere), ("what=b", here), ("none/@a=b", here)):
        assert with_remedy(site, Remedy("first", {}, (change,))) is None
    usable = Remedy("first", {}, (("@a=b", here),))
    assert first_that_works(site, [usable, last], lambda now: False) is last
    assert first_that_works(site, [usable, last], lambda now: now is not site) is usable
    (site.path / "web.config").write_text(f"<configuration>{' ' * MAX_BYTES}</configuration>")
    assert first_that_works(site, [usable, last], lambda now: True) is last
    (site.path / "web.config").unlink()
    assert first_that_works(site, [usable, last], lambda now: True) is last


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<rule></rule>", "<rule><conditions><add /></conditions></rule>"),
        ("<rule/>", "<rule><conditions><add /></conditions></rule>"),
        ("<rule><conditions /></rule>", "<rule><conditions ><add /></conditions></rule>"),
        (
            "<rule><conditions><add b='é'/></conditions></rule>",
            "<rule><conditions><add b='é'/><add /></conditions></rule>",
        ),
        ("<conditions></conditions>", "<conditions><add /></conditions>"),
    ],
)
def test_an_element_at_the_end_of_another(before: str, after: str) -> None:
    changes = (("inside(conditions)=<add />", Span("web.config", 1, 1)),)
    assert fixes.applied(before.encode(), changes) == after.encode()


NODE = web_config(
    '<handlers><add name="iisnode" path="server.js" verb="*" modules="iisnode" /></handlers>'
    '<rewrite><rules><rule name="r"><match url="/*" /><action type="Rewrite" url="server.js" />'
    "</rule></rules></rewrite>"
)
LISTENS = "http.createServer(answer).listen(process.env.PORT)"
#: (script, a file of the site, whether it is hidden): what Node sends itself is not.
NODES = [
    (LISTENS, "css/a.css", True),
    (f"app.use(express.static('css')); {LISTENS}", "css/a.css", False),
    (f"require('./routes')(app); {LISTENS}", "css/a.css", False),
    ("require('./app')", "css/a.css", False),
    (LISTENS, "public/a.css", False),
    (LISTENS, "config.js", False),
]


@pytest.mark.parametrize(("script", "file", "is_hidden"), NODES)
def test_files_of_a_node_application(
    make_site: Callable[..., Site], script: str, file: str, is_hidden: bool
) -> None:
    found = check(make_site({"web.config": NODE, "server.js": script, file: ""}))
    assert ("rewrite-hides-file" in [known.code for known in found]) == is_hidden


PAGES = {
    "prefix": ('prefixLanguageFilePath="%SystemDrive%\\www" path="404.html"', "File", {}),
    "made by a rule": ('path="/gone"', "ExecuteURL", {"index.html": ""}),
    "the root": ('path="/"', "ExecuteURL", {"index.html": ""}),
}


@pytest.mark.parametrize(("page", "mode", "files"), PAGES.values(), ids=PAGES)
def test_pages_that_are_right(
    make_site: Callable[..., Site], page: str, mode: str, files: Mapping[str, str]
) -> None:
    inner = (
        f'<httpErrors><error statusCode="404" {page} responseMode="{mode}" /></httpErrors>'
        '<rewrite><rules><rule name="r"><match url="^gone$" />'
        '<action type="Rewrite" url="index.html" /></rule></rules></rewrite>'
    )
    found = check(make_site({"web.config": web_config(inner), "html/404.html": "", **files}))
    assert not [known for known in found if known.code.startswith("errors-")]


#: An element in <system.webServer>, where it belongs.
MISPLACED = {
    '<mimeMap fileExtension=".a" mimeType="a/b" />': "<staticContent>",
    '<remove fileExtension=".a" />': "<staticContent>",
    '<rule name="r"><match url="a" /><action type="None" /></rule>': "<rewrite><rules>",
    '<requestLimits maxAllowedContentLength="1" />': "<security><requestFiltering>",
    '<add name="P" path="*" verb="*" modules="FastCgiModule" />': "<handlers>",
    '<error statusCode="404" path="/x" />': "<httpErrors>",
    '<environmentVariables><environmentVariable name="a" value="b" /></environmentVariables>': (
        "<aspNetCore> or <httpPlatform>"
    ),
}


@pytest.mark.parametrize(("element", "place"), MISPLACED.items())
def test_elements_outside_their_section(
    make_site: Callable[..., Site], element: str, place: str
) -> None:
    (found,) = check(make_site({"web.config": web_config(element)}))
    assert (found.code, found.hint) == ("config-unknown-section", f"Put it into {place}.")


FIRST = (
    '<rule name="all" stopProcessing="true"><match url="(.*)" />'
    '<action type="Rewrite" url="handler.fcgi/{R:1}" /></rule>'
)
#: A rule behind one for every URL that is for the file: that it is never reached is said alone.
LATER = [
    '<rule name="s"><match url="^static/" /><action type="None" /></rule>',
    '<rule name="s"><match url="^s/(.*)" /><action type="Rewrite" url="static/{R:1}" /></rule>',
]


@pytest.mark.parametrize("later", LATER)
def test_files_of_a_rule_that_is_never_reached(make_site: Callable[..., Site], later: str) -> None:
    site = make_site({"web.config": rules(FIRST + later), "static/a.css": ""})
    codes = [known.code for known in check(site)]
    assert "rewrite-never-reached" in codes and "rewrite-hides-file" not in codes


#: (the input of a condition, its pattern, what was meant)
LETTERS = [
    ("{URL}", r"\.?[jpg|png|gif]+$", r'pattern="\.(?:jpg|png|gif)$"'),
    ("{URL}", r".*\.[(jpg|png)]", r'pattern=".*\.(?:jpg|png)$"'),
    ("{HTTP_HOST}", "^[^www]", r'pattern="^www\." negate="true"'),
    ("{HTTP_HOST}", "^[^www].*", r'pattern="^www\." negate="true"'),
    ("{URL}", "^/[admin|login]/", 'pattern="^/(?:admin|login)/"'),
]


@pytest.mark.parametrize(("name", "pattern", "meant"), LETTERS)
def test_sets_of_letters(
    make_site: Callable[..., Site], name: str, pattern: str, meant: str
) -> None:
    text = redirect("/new", 'url="^old$"', test(name.strip("{}"), pattern))
    found = check(make_site({"web.config": rules(text)}))
    hints = [known.hint for known in found if known.code == "rewrite-set-of-letters"]
    assert hints == [f"Write {meant}."]


#: Files beside a .geojson, and whether that needs a MIME map.
READERS: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"map.php": "<?php readfile('data/a.geojson');"}, False),
    ({"map.php": "<?php readfile($name . '.geojson');"}, False),
    ({}, True),
    ({"map.html": "a"}, True),
    ({"map.php": "<?php readfile('data/a.geojson');", "map.js": "fetch('data/a.geojson')"}, True),
]


@pytest.mark.parametrize(("files", "is_asked_for"), READERS)
def test_data_that_a_script_reads(
    make_site: Callable[..., Site], files: dict[str, str], is_asked_for: bool
) -> None:
    site = make_site({"web.config": web_config(), "data/a.geojson": "", **files})
    found = check(site)
    warnings = [one for one in found if one.severity != "info"]
    assert any("geojson" in one.message for one in warnings) == is_asked_for


#: Rules that are right, and the finding that they do not get.
RIGHT = {
    "by any of scheme and host": (
        redirect(
            "https://example.org/{R:1}",
            any_of=test("HTTPS", "^on$", NEGATED) + test("HTTP_HOST", "^example\\.org$", NEGATED),
        ),
        "rewrite-any-of-negated",
    ),
    "a dot for the folder itself": (
        rewrite("", "./app.php").replace('".*"', '"^old$"'),
        "rewrite-target-missing",
    ),
}


@pytest.mark.parametrize(("text", "code"), RIGHT.values(), ids=RIGHT)
def test_rules_that_are_right(make_site: Callable[..., Site], text: str, code: str) -> None:
    site = make_site({"web.config": rules(text), "app.php": ""})
    assert code not in [known.code for known in check(site)]


#: Rules that stop for what exists, before those that add or remove a slash.
STOPS = [
    ("IsFile", redirect("{R:1}/", 'url="(.*[^/])$"'), "redirect-file-slash"),
    ("IsDirectory", redirect("/{R:1}", 'url="^(.*)/$"'), "redirect-folder-slash"),
]


@pytest.mark.parametrize(("kind", "text", "code"), STOPS)
def test_slashes_behind_a_rule_that_stops(
    make_site: Callable[..., Site], kind: str, text: str, code: str
) -> None:
    first = (
        '<rule name="first" stopProcessing="true"><match url=".*" /><conditions>'
        f'<add input="{{REQUEST_FILENAME}}" matchType="{kind}" /></conditions>'
        '<action type="None" /></rule>'
    )
    for inner, count in ((text, 1), (first + text, 0)):
        found = check(make_site({"web.config": rules(inner)}))
        assert [known.code for known in found].count(code) == count


#: Targets of a rule for every URL, and whether the path is lost.
FORWARDS = [
    ("http://localhost:5001", "", True),
    ("http://localhost:5001/", "<conditions>" + test("HTTPS", "off") + "</conditions>", True),
    ("http://localhost:5001/{R:0}", "", False),
    ("http://localhost:5001{URL}", "", False),
    ("http://localhost:5001/app", "", False),
    ("http://localhost:5001/", "<conditions>" + test("URL", "^/$") + "</conditions>", False),
]


@pytest.mark.parametrize(("url", "conditions", "is_lost"), FORWARDS)
def test_a_path_that_is_lost(
    make_site: Callable[..., Site], url: str, conditions: str, is_lost: bool
) -> None:
    found = check(make_site({"web.config": rules(rewrite(conditions, url))}))
    assert ("rewrite-target-fixed" in [known.code for known in found]) == is_lost


def test_remedies_are_tried_for_the_first_findings_only(make_site: Callable[..., Site]) -> None:
    looping = [redirect(f"/p{n}", f'url="^p{n}$"', name=f"r{n}") for n in range(MOST + 1)]
    found = check(make_site({"web.config": rules("".join(looping))}))
    hints = [known.hint for known in found if known.code == "redirect-loop"]
    assert [hint.startswith("Add <add") for hint in hints] == [True] * MOST + [False]


def test_a_location_that_redirects_into_itself(make_site: Callable[..., Site]) -> None:
    section = '<httpRedirect enabled="true" destination="/docs/v2" />'
    location = f'<location path="docs"><system.webServer>{section}</system.webServer></location>'
    found = check(make_site({"web.config": f"<configuration>{location}</configuration>"}))
    hints = [known.hint for known in found if known.code == "redirect-loop"]
    assert len(hints) == 1 and '<location path="docs/v2">' in hints[0]


def test_all_folders_of_files_at_once(make_site: Callable[..., Site]) -> None:
    """Each gets a web.config; one with a program in it does not."""
    files = dict.fromkeys(
        ("media/a.png", "static/css/a.css", "shop/img/a.png", "shop/views.py"), ""
    )
    site = make_site({"web.config": wsgi_site(), "app.py": "app = 1", **files})
    hint = next(known.hint for known in check(site) if known.code == "handler-takes-files")
    found = re.fullmatch(r"Give each of the folders (.*) a web.config of its own: (<.*>)", hint)
    assert found is not None and found[1] == "/media, /static"
    own = {f"{folder[1:]}/web.config": found[2] for folder in found[1].split(", ")}
    site = make_site({"web.config": wsgi_site(), "app.py": "app = 1", **files, **own})
    for path in ("/media/a.png", "/static/css/a.css"):
        assert isinstance(site.decide(make_request(path)).action, ServeFile)
