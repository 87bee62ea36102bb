"""What check says of the files of a site: those that nobody gets, and those that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import web_config, write

_HTTPS = (
    '<rewrite><rules><rule name="s"><match url="(.*)" /><conditions><add input="{HTTPS}"'
    ' pattern="^OFF$" /></conditions><action type="Redirect" url="https://{HTTP_HOST}/{R:1}" />'
    "</rule></rules></rewrite>"
)
_HIDE = (
    "<security><requestFiltering><hiddenSegments>{}</hiddenSegments></requestFiltering></security>"
)
_VENDOR = _HIDE.format('<add segment="vendor" />')
_NODE = '<handlers><add name="node" path="{}" verb="*" modules="iisnode" /></handlers>'
_RUN = (
    '<httpErrors errorMode="Custom"><remove statusCode="404" /><error statusCode="404" path="{}"'
    ' responseMode="ExecuteURL" /></httpErrors>'
)
_ERROR = '<httpErrors errorMode="Custom"><remove statusCode="500" /><error statusCode="500" path="{}" /></httpErrors>'

#: The inner of <system.webServer>, files, a code, and what its message or hint holds; "" where
#: nothing is wrong.
FILES = [
    # A redirect to HTTPS is no answer.
    (_HTTPS, {"site.webmanifest": ""}, "static-no-mime-type", "/site.webmanifest"),
    ("", {".well-known/assetlinks": ""}, "static-no-mime-type", 'fileExtension="."'),
    ("", {"LICENSE": "", ".git/HEAD": ""}, "static-no-mime-type", ""),
    (
        '<staticContent><mimeMap fileExtension="." mimeType="text/plain" /></staticContent>',
        {".well-known/assetlinks": ""},
        "static-no-mime-type",
        "",
    ),
    # Hidden segments: the server's, the site's own, one that is meant for the root.
    ("", {"index.html": "<img src='/bin/a.png'>", "bin/a.png": ""}, "static-refused", "IIS hides"),
    (
        _HIDE.format('<add segment="js" />'),
        {"index.html": "'/js/a.js'", "js/a.js": ""},
        "static-refused",
        'Remove <add segment="js" />',
    ),
    (
        _VENDOR,
        {"index.html": "'/js/vendor/a.js'", "js/vendor/a.js": "", "vendor/autoload.php": ""},
        "static-refused",
        'Add <location path="js">',
    ),
    (_VENDOR, {"index.html": "", "js/vendor/a.js": ""}, "static-refused", ""),
    # A path without a slash fits in every folder.
    (
        _NODE.format("app.js"),
        {"app.js": "", "public/app.js": ""},
        "iisnode-takes-file",
        '"/app.js"',
    ),
    (_NODE.format("/app.js"), {"app.js": "", "public/app.js": ""}, "iisnode-takes-file", ""),
    (_NODE.format("app.js"), {"app.js": "", "lib/app.js": ""}, "iisnode-takes-file", ""),
    # A site without scripts for Node.
    (_NODE.format("server.js"), {"index.html": ""}, "iisnode-no-script", "Remove the handler"),
    (_NODE.format("server.js"), {"package.json": ""}, "iisnode-no-script", "Name the file"),
    # The path from the root of the server, for a site that is an application there.
    (_RUN.format("/shop/gone.html"), {"gone.html": "", "a.html": ""}, "errors-page", ""),
    (_RUN.format("/shop/none.html"), {"gone.html": "", "a.html": ""}, "errors-page", "404"),
    # The page for one status is not the page for another.
    (
        _ERROR.format("errors\\500.html"),
        {"errors/404.html": "", "a.html": ""},
        "errors-page",
        "Create the file",
    ),
    (
        _ERROR.format("errors\\err.html"),
        {"errors/error.html": "", "a.html": ""},
        "errors-page",
        r"errors\error.html",
    ),
]


@pytest.mark.parametrize(("inner", "files", "code", "text"), FILES)
def test_files(tmp_path: Path, inner: str, files: dict[str, str], code: str, text: str) -> None:
    write(tmp_path, {**files, "web.config": web_config(inner)})
    found = [one for one in check(Site(tmp_path)) if one.code == code]
    assert len(found) == bool(text)
    assert all(text in f"{one.message} {one.hint}" for one in found)


#: A list, the entry that it repeats, and the remedy.
REPEATED = [
    ("<rewrite><rules>{}</rules></rewrite>", '<rule name="a" />', 'Write name="a 2"'),
    ("<handlers>{}</handlers>", '<add name="a" path="*.a" modules="x" />', 'Write name="a 2"'),
    (
        "<staticContent>{}</staticContent>",
        '<mimeMap fileExtension=".a" mimeType="text/a" />',
        'Put <remove fileExtension=".a" />',
    ),
]


@pytest.mark.parametrize(("section", "entry", "remedy"), REPEATED)
def test_repeated_entries(tmp_path: Path, section: str, entry: str, remedy: str) -> None:
    write(tmp_path, {"web.config": web_config(section.format(entry * 2))})
    hints = [one.hint for one in check(Site(tmp_path)) if one.code == "config-duplicate-entry"]
    assert [hint.startswith(remedy) for hint in hints] == [True]


#: A handler of the appSettings, the files, and what is meant.
MOVED = [
    ("shop.wsgi.application", ["wsgi.py", "shop/__init__.py"], "wsgi.application"),
    ("shop.wsgi.application", ["app.py", "shop/__init__.py", "shop/x.py"], "Correct the name."),
]


@pytest.mark.parametrize("name", ["WSGI_HANDLER", "WSGI_ALT_VIRTUALENV_HANDLER"])
@pytest.mark.parametrize(("value", "files", "meant"), MOVED)
def test_moved_modules(tmp_path: Path, name: str, value: str, files: list[str], meant: str) -> None:
    settings = {name: value}
    write(
        tmp_path,
        {**dict.fromkeys(files, "application = 1"), "web.config": web_config("", settings)},
    )
    hints = [one.hint for one in check(Site(tmp_path)) if one.code == "settings-missing-module"]
    assert [meant in hint for hint in hints] == [True]


def test_declarations_alone_stand_in_config_sections(tmp_path: Path) -> None:
    group = '<sectionGroup name="own"><section name="part" /></sectionGroup>'
    for more, count in (("<own />", 1), ("<clear />", 0)):
        config = f"<configuration><configSections>{group}{more}</configSections></configuration>"
        write(tmp_path, {"web.config": config})
        codes = [one.code for one in check(Site(tmp_path))]
        assert codes.count("config-unknown-element") == count
