"""``fcgiemu check``: the examples of its page, what keeps quiet, the formats, and what silences a
finding.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import CliRunner

from fcgiemu.catalogue import EXAMPLE_FILES
from fcgiemu.catalogue.findings import Finding, Span
from fcgiemu.cli import main
from fcgiemu.cli.watching import SETTLE_SECONDS, again
from fcgiemu.config.file import ConfigFile
from fcgiemu.diagnosis import check as diagnosis
from fcgiemu.diagnosis.check import check, stream, worst
from fcgiemu.diagnosis.sample_requests import example
from fcgiemu.report import findings as report
from fcgiemu.site import Site
from fcgiemu.version import DOCUMENTATION

from ..sites import POSIX_ONLY, python_handler, rules, web_config, write


def codes(folder: Path, config: str) -> set[str]:
    if not config.lstrip().startswith(("<configuration", "<config ", "<!DOCTYPE")):
        config = web_config(config)
    write(folder, {**EXAMPLE_FILES, "web.config": config})
    return {finding.code for finding in check(Site(folder))}


QUIET = [
    rules('<rule name="r"><match url="^/?old$" /><action type="Redirect" url="/new" /></rule>'),
    rules(
        '<rule name="r"><match url="^old/(.*)" /><action type="Redirect" url="https://www.example.org/{R:1}" /></rule>'
    ),
    rules(
        '<rule name="www"><match url="(.*)" /><conditions><add input="{HTTP_HOST}" pattern="^www\\." negate="true" /></conditions>'
        '<action type="Redirect" url="https://www.example.org/{R:1}" /></rule>'
    ),
    rules(
        '<rule name="slash"><match url="(.*[^/])$" /><conditions><add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'
        '</conditions><action type="Redirect" url="{R:1}/" /></rule>'
    ),
    rules(
        '<rule name="one" stopProcessing="true"><match url="^a" /><action type="None" /></rule>'
        '<rule name="two"><match url="^(?:ab|c)" /><action type="Redirect" url="/d" /></rule>'
    ),
    rules(
        '<rule name="one" stopProcessing="true"><match url=".*" /><conditions><add input="{HTTP_HOST}" pattern="^a$" /></conditions>'
        '<action type="None" /></rule><rule name="two"><match url="x" /><action type="None" /></rule>'
    ),
    rules(
        '<rule name="tls"><match url="(.*)" /><conditions><add input="{HTTP_X_FORWARDED_PROTO}" pattern="^http$" /></conditions>'
        '<action type="Redirect" url="https://{HTTP_HOST}/{R:1}" /></rule>'
    ),
    rules(
        '<rule name="prg"><match url="^form$" /><conditions><add input="{REQUEST_METHOD}" pattern="^POST$" /></conditions>'
        '<action type="Redirect" url="/form" redirectType="SeeOther" /></rule>'
    ),
    rules(
        '<rule name="deep"><match url="/index\\.php$" /><action type="Redirect" url="/x" /></rule>'
        '<rule name="either"><match url="^/|^old$" /><action type="Redirect" url="/y" /></rule>'
    ),
    rules(
        '<rule name="bad"><match url="^b(.*)" /><action type="Redirect" url="http://[bad/{R:1}" /></rule>'
    ),
    web_config(
        '<modules><add name="MyModule" type="My.Module, My" /></modules><handlers><add name="h" path="*.my" verb="*" '
        'modules="MyModule" /></handlers>'
    ),
    web_config(
        "",
        {
            "TOKEN_EXPIRY": "3600s",
            "PasswordResetUrl": "https://x.net/reset",
            "SECRET_NAME": "vault",
            "DB_PASSWORD": "@Microsoft.KeyVault(SecretUri=https://x)",
            "API_KEY": "__API_KEY__",
            "PWD": "REPLACE_ME",
        },
    ),
    web_config(
        python_handler("app/*"),
        {
            "WSGI_HANDLER": "app.app",
            "PYTHONPATH": "D:\\home\\site\\wwwroot",
            "DEBUG": "true",
            "SECRET_KEY": "{set in the portal}",
            "WSGI_LOG": "D:\\home\\LogFiles\\w.log",
        },
    ),
]


#: A rule of a handler that IIS never applies, beside one that takes every path.
_EVERYTHING = python_handler("*") + (
    '<rewrite><rules><rule name="Static Files" stopProcessing="true"><conditions><add input="true" pattern="false" />'
    "</conditions></rule></rules></rewrite>"
)
_FALLBACK = (
    '<rule name="spa" stopProcessing="true"><match url=".*" /><conditions>'
    '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" /></conditions>'
    '<action type="Rewrite" url="/app.py" /></rule>'
)
_PROGRAM = (
    '<handlers><add name="P" path="*.x" verb="*" modules="{}" scriptProcessor="{}" /></handlers>'
)
QUIET += [
    rules(
        '<rule name="down"><match url=".*" /><conditions><add input="{REMOTE_ADDR}" pattern="^10\\." negate="true" />'
        '</conditions><action type="CustomResponse" statusCode="503" /></rule>'
    ),
    rules(
        '<rule name="down"><match url=".*" /><conditions><add input="{REQUEST_URI}" pattern="^/maint" negate="true" />'
        '</conditions><action type="Rewrite" url="/maintenance.html" /></rule>'
    ),
    rules(
        '<rule name="query"><match url=".*" /><conditions><add input="{UNENCODED_URL}" pattern="^/a\\?b=1" />'
        '</conditions><action type="None" /></rule>'
    ),
    rules(
        '<rule name="hotlinks"><match url="\\.css$" /><conditions><add input="{HTTP_REFERER}" pattern="//example" '
        'negate="true" /></conditions><action type="Rewrite" url="/app.py" /></rule>'
    ),
    # files that are denied, behind a fallback for what is no file
    rules(
        f'{_FALLBACK}<rule name="deny"><match url="^data/(.*)" /><action type="Redirect" url="error" /></rule>'
    ),
    rules(
        '<rule name="acme" stopProcessing="true"><match url="^\\.well-known/(.*)$" /><action type="None" /></rule>'
        '<rule name="tls"><match url="(.*)" /><conditions><add input="{HTTPS}" pattern="^OFF$" /></conditions>'
        '<action type="Redirect" url="https://{HTTP_HOST}{REQUEST_URI}" appendQueryString="false" /></rule>'
    ),
    rules(
        '<rule name="vowels"><match url="^[aeiou]+/[^/.]+$" /><action type="None" /></rule>'
        '<rule name="hex"><match url="^[0-9A-Fa-f]+$" /><action type="None" /></rule>'
    ),
    web_config(
        "",
        {"SECRET": "it's a secret.. and no", "COMMIT": "3f786850e387550fdab836ed7e6dc881de23001b"},
    ),
    web_config(python_handler("app/*"), {"WSGI_HANDLER": "app.app", "PYTHONPATH": "E:\\lib"}),
]


def test_the_percent_signs_of_cgi_are_no_placeholders(tmp_path: Path) -> None:
    processor = "C:\\Python311\\python.exe -u &quot;%s&quot; %s"
    found = codes(tmp_path, web_config(_PROGRAM.format("CgiModule", processor)))
    assert "handler-placeholder" not in found


@pytest.mark.parametrize(("name", "told"), [("Global.asax", True), ("index.php", False)])
def test_headers_of_asp_net_stay_where_it_runs(tmp_path: Path, name: str, told: bool) -> None:
    inner = '<remove name="X-AspNet-Version" /><remove name="X-AspNetMvc-Version" />'
    config = web_config(f"<httpProtocol><customHeaders>{inner}</customHeaders></httpProtocol>")
    write(tmp_path, {name: "", "web.config": config})
    found = [one for one in check(Site(tmp_path)) if one.code == "static-header-stays"]
    assert len(found) == (2 if told else 0)


@pytest.mark.parametrize(("pattern", "told"), [("^download/(.*)$", False), ("^/(.*)$", True)])
def test_a_script_with_urls_of_its_own(tmp_path: Path, pattern: str, told: bool) -> None:
    rule = f'<rule name="r"><match url="{pattern}" /><action type="Rewrite" url="fetch.py?f={{R:1}}" /></rule>'
    rewrite = f"<rewrite><rules>{rule}</rules></rewrite>"
    config = web_config(python_handler("fetch.py") + rewrite, {"WSGI_HANDLER": "fetch.app"})
    write(tmp_path, {"fetch.py": "app = print", "web.config": config})
    assert ("handler-few-urls" in {one.code for one in check(Site(tmp_path))}) == told


@pytest.mark.parametrize(
    ("value", "told"), [("/home/site/wwwroot", True), ("D:\\home\\site\\wwwroot", False)]
)
def test_folders_of_linux_in_environment_variables(tmp_path: Path, value: str, told: bool) -> None:
    variable = f'<environmentVariable name="PYTHONPATH" value="{value}" />'
    config = web_config(
        '<handlers><add name="h" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="python" arguments="-m uvicorn app:app --port %HTTP_PLATFORM_PORT%">'
        f"<environmentVariables>{variable}</environmentVariables></httpPlatform>"
    )
    assert ("settings-pythonpath-colon" in codes(tmp_path, config)) == told


@pytest.mark.parametrize(("program", "told"), [("node", False), ("python.exe", True)])
def test_node_sends_the_files_of_its_folders(tmp_path: Path, program: str, told: bool) -> None:
    config = web_config(
        '<handlers><add name="h" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{program}" arguments="app.js %HTTP_PLATFORM_PORT%" />'
    )
    write(tmp_path, {"public/site.css": "", "web.config": config})
    codes_found = {one.code for one in check(Site(tmp_path)) if "site.css" in one.message}
    assert codes_found == ({"handler-takes-files"} if told else set())


def test_a_placeholder_of_php_has_an_example_of_php(tmp_path: Path) -> None:
    processor = "{php_path}\\php-cgi.exe|-c {site_path}\\php.ini"
    add = f'<add name="P" path="*.php" verb="*" modules="FastCgiModule" scriptProcessor="{processor}" />'
    write(tmp_path, {"web.config": web_config(f"<handlers>{add}</handlers>")})
    (found,) = (one for one in check(Site(tmp_path)) if one.code == "handler-placeholder")
    assert "php-cgi.exe" in found.hint and "python" not in found.hint


def test_nothing_is_said_of_a_rule_that_a_handler_makes_idle(tmp_path: Path) -> None:
    found = codes(tmp_path, web_config(_EVERYTHING, {"WSGI_HANDLER": "app.app"}))
    assert "azure-page-static-rule" not in found


@pytest.mark.parametrize("config", QUIET)
def test_nothing_is_said_of_what_is_right(tmp_path: Path, config: str) -> None:
    assert codes(tmp_path, config) == set()


_IISNODE = (
    '<handlers><add name="node" path="{}" verb="*" modules="iisnode" /></handlers>'
    '<httpErrors existingResponse="PassThrough" />'
)
_CORE = (
    '<handlers><add name="core" path="*" verb="*" modules="AspNetCoreModuleV2" /></handlers>'
    '<aspNetCore processPath="{}" arguments=".{}App.dll" hostingModel="{}" />'
)
_PLATFORM = (
    '<handlers><add name="h" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
    '<httpPlatform processPath="%JAVA_HOME%\\bin\\java.exe" arguments="-Dserver.port=%HTTP_PLATFORM_PORT%" />'
)
_QUERY = (
    '<rule name="r"><match url="{}" /><conditions><add input="{{QUERY_STRING}}" pattern="{}" /></conditions>'
    '<action type="Rewrite" url="{}" /></rule>'
)
_PAGE = '<httpErrors><remove statusCode="404" /><error statusCode="404" path="{}" responseMode="ExecuteURL" /></httpErrors>'
#: Real sites are like this, and nothing is wrong with them: notes at most.
AT_MOST_NOTES = {
    "PHP that the server maps": ({"index.php": ""}, web_config()),
    "an error page that PHP makes": ({"index.php": ""}, web_config(_PAGE.format("/index.php"))),
    "an error page behind a path": ({"i.php": ""}, web_config(_PAGE.format("/i.php/404"))),
    "types that are compressed already": (
        {},
        web_config(
            '<httpCompression><staticTypes><add mimeType="text/*" enabled="true" /></staticTypes></httpCompression>'
        ),
    ),
    "a variable of the machine": ({}, web_config(_PLATFORM)),
    "ASP.NET Core within IIS": ({}, web_config(_CORE.format("dotnet", "\\", "InProcess"))),
    "the sources of ASP.NET Core": (
        {"App.csproj": "<Project />"},
        web_config(_CORE.format("%LAUNCHER_PATH%", "\\", "OutOfProcess")),
    ),
    "a script that a build makes": (
        {"src/server.ts": "", "package.json": "{}"},
        web_config(_IISNODE.format("dist/server.js")),
    ),
    "sources beside the public folder": (
        {"server.js": "", "src/a.css": "", "lib/b.ts": "", "public/c.css": ""},
        web_config(
            _IISNODE.format("server.js") + "<rewrite><rules>"
            '<rule name="public"><action type="Rewrite" url="public{REQUEST_URI}" /></rule>'
            '<rule name="node"><conditions><add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'
            '</conditions><action type="Rewrite" url="server.js" /></rule></rules></rewrite>'
        ),
    ),
    "a value of the query under another name": (
        {"static/show.html": ""},
        rules(_QUERY.format("^basket$", "size=(\\d+)", "/static/show.html?id={C:1}")),
    ),
    "a cached page by its URL": (
        {},
        rules(
            '<rule name="cache"><match url=".*" /><conditions><add matchType="IsFile" '
            'input="{DOCUMENT_ROOT}\\cache{REQUEST_URI}index.html" /></conditions>'
            '<action type="Rewrite" url="cache{REQUEST_URI}index.html" /></rule>'
        ),
    ),
    "the path of the site itself": (
        {},
        web_config(
            python_handler(),
            {"WSGI_HANDLER": "app.app", "PYTHONPATH": "C:\\inetpub\\wwwroot\\shop"},
        ),
    ),
    "a file that a value names": (
        {"page_one.html": ""},
        rules(
            '<rule name="page"><match url="^page/(.*)" /><action type="Rewrite" url="page_{R:1}.html" /></rule>'
            '<rule name="rest" stopProcessing="true"><match url="(.*)" /><conditions>'
            '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'
            '<add input="{REQUEST_FILENAME}" matchType="IsDirectory" negate="true" /></conditions>'
            '<action type="Rewrite" url="{R:1}.html" /></rule>'
            '<rule name="root"><match url="^$" /><action type="Rewrite" url="page_one.html" /></rule>'
        ),
    ),
    "a type that is there, behind rules": (
        {"package.json": "{}", "bin/www": ""},
        rules(
            '<rule name="all"><match url="json$" /><action type="Rewrite" url="static/none" /></rule>'
        ),
    ),
    "True in another case": (
        {},
        web_config('<security><requestFiltering removeServerHeader="True" /></security>'),
    ),
}


@pytest.mark.parametrize(("files", "config"), AT_MOST_NOTES.values(), ids=list(AT_MOST_NOTES))
def test_what_is_not_a_mistake_is_not_a_warning(
    tmp_path: Path, files: dict[str, str], config: str
) -> None:
    write(tmp_path, {"app.py": "app = print", **files, "web.config": config})
    found = check(Site(tmp_path))
    assert [finding for finding in found if finding.severity != "info"] == []


REMEDIES = [
    (
        '<rule name="r"><match url="/*" /><action type="None" /></rule>',
        "Write '^.*$', which",
    ),
    (
        '<rule name="r"><match url="/api/*" /><action type="None" /></rule>',
        "Write '^api/.*$', or",
    ),
    (
        '<rule name="r" patternSyntax="Wildcard"><match url="*" /><conditions>'
        '<add input="{HTTP_COOKIE}" pattern="^.*(one|two).*$" negate="true" /></conditions>'
        '<action type="None" /></rule>',
        "'.*' in place of '*'",
    ),
    (
        '<rule name="one" stopProcessing="true"><match url=".*" /><action type="None" /></rule>'
        '<rule name="two"><match url="(.*)" /><action type="None" /></rule>',
        "Remove this rule, or rule 'one'",
    ),
]


def test_app_settings_belong_under_the_root(tmp_path: Path) -> None:
    write(
        tmp_path, {"web.config": web_config('<appSettings><add key="A" value="b" /></appSettings>')}
    )
    assert check(Site(tmp_path))[0].hint.endswith("directly into <configuration>.")


@pytest.mark.parametrize(("rule", "remedy"), REMEDIES)
def test_remedies_fit_their_rule(tmp_path: Path, rule: str, remedy: str) -> None:
    write(tmp_path, {"web.config": rules(rule)})
    assert any(remedy in finding.hint for finding in check(Site(tmp_path)))


LOUD = [
    (
        "redirect-loop",
        rules(
            '<rule name="a"><match url="(.*)" /><action type="Redirect" url="/new/{R:1}" /></rule>'
        ),
    ),
    (
        "redirect-loop",
        rules(
            '<rule name="a"><match url="(.*)" /><conditions><add input="{HTTP_HOST}" pattern="^mysite.com$" /></conditions>'
            '<action type="Redirect" url="https://www.mysite.com/{R:1}" /></rule><rule name="b"><match url="(.*)" />'
            '<conditions><add input="{HTTP_HOST}" pattern="^www.mysite.com$" /></conditions>'
            '<action type="Redirect" url="https://mysite.com/{R:1}" /></rule>'
        ),
    ),
    (
        "redirect-loop",
        rules(
            '<rule name="a"><match url="(.*)" /><conditions><add input="{HTTP_HOST}" pattern="^example\\.com$" '
            'negate="true" /></conditions><action type="Redirect" url="https://www.example.com/{R:1}" /></rule>'
        ),
    ),
    (
        "redirect-loop",
        rules(
            '<rule name="a"><match url="(.*)" /><conditions><add input="{SERVER_PORT_SECURE}" pattern="^1$" /></conditions>'
            '<action type="Redirect" url="https://{HTTP_HOST}/{R:1}" /></rule>'
        ),
    ),
    (
        "rewrite-leading-slash",
        rules('<rule name="a"><match url="^(/old|/older)/(.*)$" /><action type="None" /></rule>'),
    ),
    (
        "rewrite-leading-slash",
        rules('<rule name="a"><match url="^\\/old$" /><action type="None" /></rule>'),
    ),
    (
        "rewrite-never-reached",
        rules(
            '<rule name="a" stopProcessing="true"><match url="^blog" /><action type="None" /></rule>'
            '<rule name="b"><match url="^blog/(.*)$" /><action type="Redirect" url="/x" /></rule>'
        ),
    ),
    (
        "rewrite-never-reached",
        rules(
            '<rule name="a" stopProcessing="true"><match url="(.+)" /><action type="None" /></rule>'
            '<rule name="b"><match url="^blog$" /><action type="Redirect" url="/x" /></rule>'
        ),
    ),
    (
        "handler-never-reached",
        web_config(
            '<handlers><add name="a" path="*.x" verb="*" modules="StaticFileModule" />'
            '<add name="b" path="app.x" verb="GET" modules="StaticFileModule" /></handlers>'
        ),
    ),
    ("settings-missing-module", web_config("", {"DJANGO_SETTINGS_MODULE": "proj.setings"})),
    ("settings-secret", web_config("", {"DB_PASSWORD": "Winter!Kestrel24"})),
    ("settings-secret", web_config("", {"DATABASE_URL": "postgres://user:s3cr3tpw@db/x"})),
]


@pytest.mark.parametrize(("code", "config"), LOUD)
def test_mistakes_are_found(tmp_path: Path, code: str, config: str) -> None:
    write(tmp_path, {"proj/settings.py": "", "proj/__init__.py": ""})
    assert code in codes(tmp_path, config)


def test_many_rules_are_read_in_time(tmp_path: Path) -> None:
    many = rules(
        "".join(
            f'<rule name="{number}"><match url="^p{number}$" /><action type="None" /></rule>'
            for number in range(2000)
        )
    )
    assert codes(tmp_path, many) == set()


def test_many_rules_ask_a_large_map_in_time(tmp_path: Path) -> None:
    many = "".join(
        f'<rule name="{number}"><match url="^p{number}$" /><conditions><add input="{{Pages:{{URL}}}}" '
        f'pattern="(.+)" /></conditions><action type="Redirect" url="/x{number}" /></rule>'
        for number in range(1000)
    )
    keys = "".join(f'<add key="/{number}" value="/b" />' for number in range(20000))
    maps = f'<rewriteMaps><rewriteMap name="Pages">{keys}</rewriteMap></rewriteMaps>'
    config = web_config(f"<rewrite><rules>{many}</rules>{maps}</rewrite>")
    assert codes(tmp_path, config) == set()


#: Configuration, and the finding that comes of it, "" for none. None may end check.
ODD = {
    "a module's name too long for a file": (
        f'<configuration><appSettings><add key="WSGI_HANDLER" value="{"x" * 300}" /></appSettings>'
        "</configuration>",
        "settings-handler-name",
    ),
    "a module's name too long for a file, and an application": (
        f'<configuration><appSettings><add key="WSGI_HANDLER" value="{"x" * 300}.app" />'
        "</appSettings></configuration>",
        "settings-missing-module",
    ),
    "dots for a module": (
        '<configuration><appSettings><add key="WSGI_HANDLER" value=".." /></appSettings>'
        "</configuration>",
        "",
    ),
    **{
        f"{page[:9]} as an error page": (
            '<httpErrors errorMode="Custom"><remove statusCode="404" />'
            f'<error statusCode="404" path="{page}" /></httpErrors>',
            "errors-page",
        )
        for page in ("errors/", ".", "..", "**x", "x" * 300)
    },
    "line ends of the old Mac": (
        "<configuration>\r<a>\r\r\r<b x=>\r</configuration>",
        "config-malformed-xml",
    ),
    "an encoding that is for names": (
        "<configuration><a b=\"<?xml encoding='punycode'\" /></configuration>",
        "config-malformed-xml",
    ),
}


@pytest.mark.parametrize(("config", "code"), ODD.values(), ids=list(ODD))
def test_odd_values_are_findings(tmp_path: Path, config: str, code: str) -> None:
    assert code in {"", *codes(tmp_path, config)}


def test_a_key_that_cannot_be_read_is_not_a_duplicate(tmp_path: Path) -> None:
    pages = '<error statusCode="x" path="a" /><error statusCode="y" path="b" />'
    assert "config-duplicate-entry" not in codes(tmp_path, f"<httpErrors>{pages}</httpErrors>")


def test_what_later_rules_replace_is_said_once(tmp_path: Path) -> None:
    many = "".join(
        f'<rule name="{number}"><match url=".*" /><action type="Rewrite" url="/x{number}" /></rule>'
        for number in range(50)
    )
    write(tmp_path, {"web.config": rules(many)})
    found = [one for one in check(Site(tmp_path)) if one.code == "rewrite-overwritten"]
    assert len(found) == len({one.span for one in found}) == 49


def test_a_folder_without_web_config(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert result.exit_code == 2 and "There is no web.config" in result.output
    assert f"fcgiemu init {tmp_path}" in result.output


def test_rules_of_parents_are_told_once(tmp_path: Path) -> None:
    bad = rules('<rule name="r"><match url="^/x" /><action type="None" /></rule>')
    write(
        tmp_path,
        {
            "web.config": bad,
            "a/web.config": web_config(),
            "a/b/web.config": web_config(),
            "c/x.txt": "",
        },
    )
    assert [(finding.code, str(finding.span)) for finding in check(Site(tmp_path))] == [
        ("rewrite-leading-slash", "web.config:1:77")
    ]


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("<!-- # fcgiemu: ignore[rewrite-leading-slash] -->", set()),
        ("<!-- fcgiemu: ignore[config-root, rewrite-leading-slash] because -->", set()),
        ("<!-- # fcgiemu: ignore[rewrite-catch-all] -->", {"rewrite-leading-slash"}),
    ],
)
def test_comments_silence(tmp_path: Path, comment: str, left: set[str]) -> None:
    rule = '<rule name="r"><match url="^/x" /><action type="None" /></rule>'
    assert codes(tmp_path, rules(f"\n{comment}\n{rule}")) == left
    assert codes(tmp_path, rules(f"\n{rule}\n{comment}\n")) == {"rewrite-leading-slash"}
    write(tmp_path, {"web.config": f"{comment}\n{rules(rule)}"})
    assert {finding.code for finding in check(Site(tmp_path))} == left
    assert check(Site(tmp_path), ["rewrite-leading-slash"]) == []


FINDINGS = [
    Finding(
        code="a-code",
        severity="error",
        message="it is, 100% wrong\nreally",
        span=Span("sub/web.config", 3, 7),
        hint="fix: it",
    ),
    Finding(code="b-code", severity="warning", message="odd", span=Span("web.config", 1, 1)),
    Finding(code="c-code", severity="info", message="by the way"),
]


def test_text_and_exit_status() -> None:
    assert report.text(FINDINGS).splitlines()[0] == "sub/web.config:3:7: error: it is, 100% wrong"
    assert report.text(FINDINGS).endswith("1 error, 1 warning, 1 info")
    assert report.text([]) == "nothing found"
    assert [worst(FINDINGS[start:]) for start in range(4)] == [2, 1, 0, 0]


def test_github() -> None:
    lines = report.github(FINDINGS).splitlines()
    assert (
        lines[0]
        == "::error file=sub/web.config,line=3,col=7,title=a-code::it is, 100%25 wrong%0Areally%0Afix: it"
    )
    assert lines[1:] == [
        "::warning file=web.config,line=1,col=1,title=b-code::odd",
        "::notice title=c-code::by the way",
    ]


#: The published schema, as an npm package ships it.
SARIF = (
    Path(__file__).parents[2]
    / "node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
)


@pytest.mark.skipif(
    not SARIF.exists(),
    reason="needs the schema: npm install --no-save @microsoft/jest-sarif@1.0.0-beta.0",
)
@pytest.mark.parametrize("findings", [FINDINGS, [], "catalogue"], ids=["each", "none", "real"])
def test_sarif_follows_the_published_schema(tmp_path: Path, findings: list[Finding] | str) -> None:
    if isinstance(findings, str):
        bad = rules('<rule name="r"><match url="^/x" /><action type="Rewrite" /></rule>')
        write(tmp_path, {"my app/web.config": bad, "web.config": web_config("<rewritte />")})
        findings = check(Site(tmp_path))
    schema = json.loads(SARIF.read_text("utf-8"))
    jsonschema.validate(json.loads(report.sarif(findings)), schema)


def test_sarif() -> None:
    """What the schema does not say: numbers and names agree."""
    log = json.loads(report.sarif(FINDINGS))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    run = log["runs"][0]
    known = run["tool"]["driver"]["rules"]
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert known[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert not place["artifactLocation"]["uri"].startswith("/")
            assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    assert json.loads(report.sarif([]))["runs"][0]["results"] == []


def test_the_address_of_help() -> None:
    """Beside the documentation that setup.cfg names."""
    (rule,) = json.loads(report.sarif(FINDINGS[:1]))["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"] == f"{DOCUMENTATION}check.md#a-code"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("my app/web.config", {"uri": "my%20app/web.config", "uriBaseId": "%SRCROOT%"}),
        ("/srv/a b/host.config", {"uri": "file:///srv/a%20b/host.config"}),
    ],
)
def test_sarif_locations_are_uri_references(path: str, location: dict[str, str]) -> None:
    found = Finding(
        code="a-code",
        severity="error",
        message="wrong",
        span=Span(path, 1, 1),
        hint="Fix it.",
        hresult=0,
    )
    result = json.loads(report.sarif([found]))["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == location
    assert result["message"]["text"] == "wrong. Fix it."


def test_junit_and_json() -> None:
    suite = ElementTree.fromstring(report.junit(FINDINGS))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert suite.findall("testcase/failure")[0].get("message") == "it is, 100% wrong"
    assert ElementTree.fromstring(report.junit([])).get("tests") == "1"
    assert [entry["code"] for entry in json.loads(report.as_json(FINDINGS))] == [
        "a-code",
        "b-code",
        "c-code",
    ]


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("text", "site/web.config:"),
        ("json", "["),
        ("sarif", "{"),
        ("github", "::warning file="),
        ("junit", "<?xml"),
    ],
)
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, start: str
) -> None:
    rule = '<rule name="r"><match url="^/x" /><action type="None" /></rule>'
    write(tmp_path, {"site/web.config": rules(rule)})
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["check", "site", "--format", kind])
    assert result.exit_code == 1 and result.output.startswith(start)
    if kind == "sarif":
        assert '"uri": "site/web.config"' in result.output
    ignored = ["check", "site", "--ignore", "rewrite-leading-slash,redirect-loop"]
    assert CliRunner().invoke(main, ignored).exit_code == 0
    assert CliRunner().invoke(main, ["check", str(tmp_path / "nowhere")]).exit_code == 2


def test_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = '<rule name="{}"><match url="^/x" /><action type="None" /></rule>'
    write(tmp_path, {"web.config": rules(rule.format("old"))})
    monkeypatch.chdir(tmp_path)
    command = ["check", ".", "--baseline", "known.json"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0 and "known.json holds the 1 findings of today" in first.output
    write(tmp_path, {"web.config": rules("\n" + rule.format("old") + rule.format("new"))})
    second = CliRunner().invoke(main, command)
    assert second.exit_code == 1 and "'new'" in second.output and "'old'" not in second.output
    (tmp_path / "known.json").write_text("{")
    third = CliRunner().invoke(main, command)
    assert third.exit_code == 2 and "known.json is not a baseline" in third.output


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^old$", "old"),
        ("^a/(.*)$", "a/w"),
        (r"^\d+-[a-z]+$", "1-a"),
        ("(a|b)c", "ac"),
        ("x?y", "xy"),
        ("[^/]+/z", "a/z"),
        ("^(?!no)yes", "yes"),
        ("a{3}", "aaa"),
        ("(", None),
        ("^a(?=b)", None),
    ],
)
def test_examples_of_patterns(pattern: str, text: str | None) -> None:
    found = example(pattern, "w")
    assert (found is None) if text is None else re.search(pattern, found or "") is not None


def test_hidden_files_need_a_handler_that_would_serve_them(make_site: Callable[..., Site]) -> None:
    everything = web_config(python_handler("*"), {"WSGI_HANDLER": "app.app"})
    found = check(make_site({**EXAMPLE_FILES, "web.config": everything}))
    assert [finding.code for finding in found] == ["handler-takes-files"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--select", "rewrite-leading-slash"], 1, "[rewrite-leading-slash]"),
        (["--select", "rewrite"], 1, "[rewrite-leading-slash]"),
        (["--select", "handler,redirect-loop"], 0, "nothing found"),
        (["--select", "nonsense"], 2, "No finding has the code 'nonsense'"),
        (["--ignore", "rewrite-leading-slahs"], 2, "Did you mean rewrite-leading-slash?"),
        (["--explain", "redirect-loop"], 0, "redirects for ever"),
        (
            ["--explain", "azure-page-static-rule"],
            0,
            '> Write input="{REQUEST_FILENAME}" matchType=',
        ),
        (["--explain", "redirect-lop"], 2, "Did you mean redirect-loop?"),
    ],
)
def test_codes_on_the_command_line(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    rule = '<rule name="r"><match url="^/x" /><action type="None" /></rule>'
    write(tmp_path, {"web.config": rules(rule)})
    result = CliRunner().invoke(main, ["check", str(tmp_path), *arguments])
    assert result.exit_code == status and words in result.output, result.output


def test_a_scheme_that_is_there_already_is_a_note_everywhere(tmp_path: Path) -> None:
    scheme = '<httpCompression><scheme name="gzip" dll="gzip.dll" /></httpCompression>'
    site = write(tmp_path, {"web.config": web_config(scheme), "a.txt": "a"})
    explained = Site(site).explain("/a.txt")
    assert explained["outcome"]["status"] == 200
    found = {(one["code"], one["severity"]) for one in explained["findings"]}
    assert found == {("config-duplicate-entry", "info")}
    assert found == {(one.code, one.severity) for one in check(Site(site))}


def test_a_misspelt_attribute_is_one_error(tmp_path: Path) -> None:
    handler = (
        '<handlers><add name="Py" path="*" verb="*" modules="FastCgiModule" scriptProcesor='
        '"C:\\Python311\\python.exe|C:\\Python311\\Lib\\site-packages\\wfastcgi.py" /></handlers>'
    )
    write(tmp_path, {"web.config": web_config(handler)})
    assert [finding.hint for finding in check(Site(tmp_path))] == [
        "Did you mean 'scriptProcessor'?"
    ]


def test_findings_come_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one file are there before the next is looked at."""
    rule = rules('<rule name="r"><match url="^/x" /><action type="None" /></rule>')
    names = ["a/web.config", "b/web.config", "web.config"]
    write(tmp_path, dict.fromkeys(names, rule))
    asked: list[str] = []
    of_file = diagnosis._of_file

    def noted(site: Site, file: ConfigFile) -> Iterator[Finding]:
        asked.append(file.name)
        return of_file(site, file)

    monkeypatch.setattr(diagnosis, "_of_file", noted)
    for number, found in enumerate(stream(Site(tmp_path))):
        assert found.span is not None and found.span.file == names[number]
        assert asked == names[: number + 1]


_SPA = rules(
    '<rule name="page"><match url="^app/" /><action type="Rewrite" url="/index.html" /></rule>'
    '<rule name="slash"><match url="^/x" /><action type="None" /></rule>'
)


@pytest.mark.parametrize(
    ("more", "sites"),
    [
        ({}, ["api/web.config", "web/public/web.config"]),
        ({"web.config": web_config()}, []),
        ({"default.htm": ""}, []),
    ],
    ids=["repository", "configured", "pages"],
)
def test_a_repository_holds_sites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], sites: list[str]
) -> None:
    """Each topmost folder with a web.config is one; a folder of a site is a folder of it."""
    names = ["api/web.config", "web/public/web.config", "node_modules/x/web.config"]
    files = {"web/public/index.html": "", "web/public/admin/web.config": web_config(), **more}
    write(tmp_path, {**dict.fromkeys(names, _SPA), **files})
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["check"])
    assert ("sites below it: api, web/public" in result.output) == bool(sites)
    assert "node_modules" not in result.output
    # whose folder it is decides what /index.html means
    assert ("[rewrite-leaves-folder]" in result.output) == ("web.config" in more), result.output
    found = json.loads(CliRunner().invoke(main, ["check", "--json"]).stdout)
    assert {one["file"] for one in found if one["code"] == "rewrite-leading-slash"} == set(
        names[:2]
    )


def test_fixes_of_several_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a/web.config": _SPA, "b/web.config": _SPA})
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["check", "--diff"]).output
    assert "--- a/a/web.config" in shown and "+++ b/b/web.config" in shown
    for _ in range(2):
        CliRunner().invoke(main, ["check", "--fix"])
        texts = {(tmp_path / name / "web.config").read_text("utf-8") for name in "ab"}
        assert texts == {_SPA.replace("^/x", "^x")}
    kept = ["check", "--baseline", "kept.json"]
    assert CliRunner().invoke(main, kept).exit_code == 0
    write(tmp_path, {"b/web.config": _SPA})
    result = CliRunner().invoke(main, kept)
    assert "b/web.config" in result.output and "a/web.config" not in result.output


class Folder:
    """A watcher that a test moves: it tells of a change when it is asked to."""

    def __init__(self, root: Path, changed: Callable[[str, bool], None]) -> None:
        self.change = lambda: changed("web.config", False)
        self.running: list[str] = []

    def start(self) -> None:
        self.running.append("start")

    def stop(self) -> None:
        self.running.append("stop")


def test_watching(tmp_path: Path) -> None:
    """Once at first; again after changes, those among them that come meanwhile; until Ctrl-C."""
    made: list[Folder] = []
    slept: list[float] = []
    rounds: list[int] = []

    def watcher(root: Path, changed: Callable[[str, bool], None]) -> Folder:
        made.append(Folder(root, changed))
        return made[0]

    def once() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            raise KeyboardInterrupt
        made[0].change()

    again(tmp_path, once, watcher=watcher, sleep=slept.append)
    assert rounds == [0, 1, 2] and slept == [SETTLE_SECONDS] * 2
    assert made[0].running == ["start", "stop"]


def test_watching_says_a_thing_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output may be a file of the site: to write it is a change, and must not lead to more."""

    def twice(_root: Path, once: Callable[[], None]) -> None:
        once()
        once()
        write(tmp_path, {"web.config": web_config("<handlers />")})
        once()

    write(tmp_path, {"web.config": web_config("<handler />")})
    monkeypatch.setattr("fcgiemu.cli.check.again", twice)
    assert CliRunner().invoke(main, ["check", str(tmp_path), "--watch"]).exit_code == 0
    result = CliRunner().invoke(main, ["check", str(tmp_path), "--watch"])
    assert result.output.count("nothing found") == 1


def test_watching_says_once_that_a_site_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thrice(_root: Path, once: Callable[[], None]) -> None:
        once()
        once()
        write(tmp_path, {"web.config": web_config()})
        once()

    monkeypatch.setattr("fcgiemu.cli.check.again", thrice)
    result = CliRunner().invoke(main, ["check", str(tmp_path), "--watch"])
    assert result.exit_code == 0
    assert result.output.count("is empty") == result.output.count("nothing found") == 1
    assert result.output.count("Ctrl-C ends") == 2


@POSIX_ONLY
def test_a_file_that_has_two_names_is_fixed_once(tmp_path: Path) -> None:
    entry = '<mimeMap fileExtension=".json" mimeType="application/json" />'
    write(tmp_path, {"web.config": web_config(f"<staticContent>{entry}</staticContent>")})
    os.symlink(tmp_path, tmp_path / "itself")
    result = CliRunner().invoke(main, ["check", str(tmp_path), "--fix"])
    assert result.exit_code == 0 and result.output.count("fixed") == 1
    text = (tmp_path / "web.config").read_text("utf-8")
    assert text.count('<remove fileExtension=".json" />') == 1


def test_standard_input_is_the_web_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text, code in (
        ("<configuration />", 0),
        ("<configuration><system.webserver /></configuration>", 1),
        ("", 2),
    ):
        assert CliRunner().invoke(main, ["check", "-"], input=text).exit_code == code
    write(tmp_path, {"web.config": "<configuration"})
    assert CliRunner().invoke(main, ["check", "-"], input="<configuration />").exit_code == 0
    assert "need a file" in CliRunner().invoke(main, ["check", "-", "--fix"]).output


def test_a_baseline_knows_a_finding_whose_message_names_another_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = '<handlers>{}<add name="a" path="*.x" verb="*" modules="M" /><remove name="a" />'
    command = ["check", ".", "--baseline", "known.json", "--select", "handler-removed"]
    monkeypatch.chdir(tmp_path)
    for before in ("", "\n\n"):
        write(tmp_path, {"web.config": web_config(config.format(before) + "</handlers>")})
        assert CliRunner().invoke(main, command).exit_code == 0
