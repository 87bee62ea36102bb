"""What check says of the attributes of single elements: programs behind httpPlatform, iisnode and
AspNetCoreModule, error pages, limits, MIME types, settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import python_handler, web_config, write


def found(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Code -> hint of the warnings and errors of a site."""
    write(folder, dict(files))
    return {known.code: known.hint for known in check(Site(folder)) if known.severity != "info"}


_PLATFORM = (
    '<handlers><add name="h" path="*" verb="*" modules="httpPlatformHandler" '
    'resourceType="Unspecified" /></handlers><httpPlatform processPath="C:\\Py\\python.exe" arguments="{}" />'
)

#: The arguments of httpPlatform, run.py, and whether a server watches its files.
RELOADERS = [
    (r"C:\site\runserver.py --port %HTTP_PLATFORM_PORT%", "", False),
    ("runserver.py %HTTP_PLATFORM_PORT%", "", False),
    ("manage.py runserver 127.0.0.1:%HTTP_PLATFORM_PORT%", "", True),
    ("-m django runserver %HTTP_PLATFORM_PORT%", "", True),
    ("manage.py runserver --noreload 127.0.0.1:%HTTP_PLATFORM_PORT%", "", False),
    ("-m uvicorn app:app --reload --port %HTTP_PLATFORM_PORT%", "", True),
    ("-m uvicorn app:app --reload-dir src --port %HTTP_PLATFORM_PORT%", "", False),
    ("-m flask --debug run --port %HTTP_PLATFORM_PORT%", "", True),
    ("-m flask run --debug --no-reload --port %HTTP_PLATFORM_PORT%", "", False),
    ("-m flask run --no-reload --debug --port %HTTP_PLATFORM_PORT%", "", False),
    ("run.py", "app.run(port=os.environ['HTTP_PLATFORM_PORT'], debug=True)", True),
    ("run.py", "app.run(port=port(),\n    debug=True,\n    use_reloader=False)", False),
    ("run.py", "app.run(use_reloader=False, debug=True, port=port)", False),
    ("run.py", "# app.run(debug=True)\nserve(app, port=port)", False),
    ("run.py", "app.run(port=port, debug=settings.DEBUG)", False),
    ("run.py", "uvicorn.run('app:app', port=port, reload=True)", True),
    ("run.py", "this is no Python", False),
]


@pytest.mark.parametrize(("arguments", "code", "told"), RELOADERS)
def test_reloaders(tmp_path: Path, arguments: str, code: str, told: bool) -> None:
    files = dict.fromkeys(("run.py", "runserver.py", "manage.py"), code)
    config = web_config(_PLATFORM.format(arguments))
    known = found(tmp_path, {**files, "app.py": "app = print", "web.config": config})
    assert ("platform-reloader" in known) is told


_NODE = (
    '<handlers><add name="node" path="server.js" verb="*" modules="iisnode" /></handlers>'
    '<httpErrors existingResponse="PassThrough" /><iisnode {} />'
)

#: Attributes of <iisnode>, and the code that is found.
NODE = [
    ("", ""),
    ('devErrorsEnabled="false"', ""),
    ('devErrorsEnabled="true"', "iisnode-dev-errors"),
    (r'nodeProcessCommandLine="&quot;%ProgramFiles%\nodejs\node.exe&quot;"', ""),
    ('nodeProcessCommandLine="node"', ""),
    ('nodeProcessCommandLine="node.exe --max-old-space-size=512"', ""),
    (
        r'nodeProcessCommandLine="&quot;D:\Program Files\nodejs\%WEBSITE_NODE_DEFAULT_VERSION%\node.exe&quot;"',
        "",
    ),
    (
        r'nodeProcessCommandLine="&quot;%WEBSITE_NODE_DEFAULT_VERSION%\node.exe&quot;"',
        "iisnode-command",
    ),
    (r'interceptor="%website_node_default_version%\interceptor.js"', "iisnode-command"),
    ('nodeProcessCommandLine="/usr/bin/node"', "iisnode-command"),
    ('nodeProcessCommandLine="npm start"', "iisnode-command"),
    (r'nodeProcessCommandLine="C:\tools\npm\node.exe"', ""),
]


@pytest.mark.parametrize(("attributes", "code"), NODE)
def test_iisnode(tmp_path: Path, attributes: str, code: str) -> None:
    files = {"server.js": "http.createServer(f).listen(process.env.PORT)"}
    known = found(tmp_path, {**files, "web.config": web_config(_NODE.format(attributes))})
    assert list(known) == ([code] if code else [])


@pytest.mark.parametrize(
    ("line", "told"), [("devErrorsEnabled: true", True), ("devErrorsEnabled: false", False)]
)
def test_errors_of_development_in_iisnode_yml(tmp_path: Path, line: str, told: bool) -> None:
    files = {"server.js": "http.createServer(f).listen(process.env.PORT)", "iisnode.yml": line}
    known = found(tmp_path, {**files, "web.config": web_config(_NODE.format(""))})
    assert known.get("iisnode-dev-errors", "").startswith("Write devErrorsEnabled: false") is told


_NET = (
    '<handlers><add name="net" path="*" verb="*" modules="AspNetCoreModule{}" '
    'resourceType="Unspecified" /></handlers><aspNetCore processPath="{}" arguments="{}" {} />'
)

#: Version of the module, program, arguments, more attributes, app.py, and the code that is found.
NET = [
    ("V2", "dotnet", r".\App.dll", "", "", ""),
    ("V2", r".\App.exe", "", 'hostingModel="InProcess"', "", ""),
    ("V2", r"C:\Py\python.exe", "app.py", "", "serve(app)", "aspnetcore-not-dotnet"),
    ("V2", "python", "app.py", "", "serve(port=environ['ASPNETCORE_PORT'])", ""),
    ("V2", "python", "-m waitress --port %ASPNETCORE_PORT% app:app", "", "", ""),
    (
        "V2",
        "python",
        "-m waitress --port %HTTP_PLATFORM_PORT% a:b",
        "",
        "",
        "aspnetcore-not-dotnet",
    ),
    ("V2", "python", "other.py", "", "", ""),
    ("V2", "python", "app.py", 'hostingModel="InProcess"', "", "aspnetcore-not-dotnet"),
]


@pytest.mark.parametrize(("version", "program", "arguments", "more", "code", "wanted"), NET)
def test_asp_net_core(
    tmp_path: Path, version: str, program: str, arguments: str, more: str, code: str, wanted: str
) -> None:
    config = web_config(_NET.format(version, program, arguments, more))
    known = found(tmp_path, {"app.py": code, "web.config": config})
    assert list(known) == ([wanted] if wanted else [])


#: A file beside the configuration, and the severity of naming the first version of the module.
FIRST = [
    ("App.csproj", "<TargetFramework>netcoreapp2.1</TargetFramework>", ""),
    ("App.csproj", "<TargetFramework>netcoreapp3.1</TargetFramework>", "warning"),
    ("App.csproj", "<TargetFramework>net8.0</TargetFramework>", "warning"),
    ("App.runtimeconfig.json", '{"runtimeOptions": {"tfm": "net6.0"}}', "warning"),
    ("App.runtimeconfig.json", '{"runtimeOptions": {"tfm": "netcoreapp2.0"}}', ""),
    ("App.csproj", "<TargetFramework>net472</TargetFramework>", "info"),
    ("Program.cs", "", "info"),
]


@pytest.mark.parametrize(("name", "text", "severity"), FIRST)
def test_the_first_version_of_asp_net_core(
    tmp_path: Path, name: str, text: str, severity: str
) -> None:
    config = web_config(_NET.format("", "dotnet", r".\App.dll", ""))
    write(tmp_path, {"web.config": config, name: text})
    found = [one for one in check(Site(tmp_path)) if one.code == "aspnetcore-first-version"]
    assert [one.severity for one in found] == ([severity] if severity else [])


#: Files, the path of a <location>, and what is meant; "" where the path may be right.
PATHS = [
    ({}, "Default Web Site", "."),
    ({}, "Default Web Site/static", "static"),
    ({}, "default web site/a/b", "a/b"),
    ({"Default Web Site/index.html": ""}, "Default Web Site", ""),
    ({}, "Default Web Sites", ""),
    ({"static/a.txt": ""}, "static", ""),
]


@pytest.mark.parametrize(("files", "path", "meant"), PATHS)
def test_the_name_of_the_site_in_a_path(
    tmp_path: Path, files: Mapping[str, str], path: str, meant: str
) -> None:
    section = '<system.webServer><serverSideInclude ssiExecDisable="false" /></system.webServer>'
    config = f'<configuration><location path="{path}">{section}</location></configuration>'
    known = found(tmp_path, {**files, "web.config": config})
    told = {"config-location-path": f'Write path="{meant}".'}
    assert known == told if meant else list(known) == ["config-locked-section"]


def test_rules_that_stand_alone(tmp_path: Path) -> None:
    rule = '<rule name="r"><match url="^a$" /><action type="None" /></rule>'
    known = found(tmp_path, {"web.config": f"<rewrite>{rule}{rule}</rewrite>"})
    assert list(known) == ["config-root"] and "<rewrite><rules>" in known["config-root"]


#: The content of <system.webServer>, and what the remedy says; "" where nothing is wrong.
ERRORS = [
    ('<httpErrors errorMode="Detailed" />', "DetailedLocalOnly"),
    ('<httpErrors errorMode="Detailed" existingResponse="Replace" />', "DetailedLocalOnly"),
    ('<httpErrors errorMode="Detailed" existingResponse="PassThrough" />', ""),
    ('<httpErrors errorMode="Custom" />', ""),
    ('<httpErrors errorMode="DetailedLocalOnly" />', ""),
    (python_handler() + '<httpErrors errorMode="Detailed" />', "PassThrough"),
    (python_handler() + '<httpErrors existingResponse="PassThrough" />', ""),
]


@pytest.mark.parametrize(("inner", "remedy"), ERRORS)
def test_details_of_errors(tmp_path: Path, inner: str, remedy: str) -> None:
    config = web_config(inner, {"WSGI_HANDLER": "app.app"})
    write(tmp_path, {"app.py": "app = print", "web.config": config})
    hints = [one.hint for one in check(Site(tmp_path)) if one.code == "errors-detailed"]
    assert [remedy in hint for hint in hints] == ([True] if remedy else [])


#: maxRequestLength, maxAllowedContentLength, and the latter as it should be.
LENGTHS = [
    ("4096", "", ""),
    ("30000", "", ""),
    ("102400", "", "104857600"),
    ("2097151", "", "2147482624"),
    ("2147483647", "", "4294967295"),
    ("102400", "104857600", ""),
    ("1048576", "1073741824", ""),
    ("102400", "10485760", ""),
    ("1073741824", "1073741824", ""),
    ("102400", "102400", "104857600"),
    ("many", "", ""),
]


@pytest.mark.parametrize("handlers", ["", python_handler()])
@pytest.mark.parametrize(("kilobytes", "given", "meant"), LENGTHS)
def test_limits_of_requests(
    tmp_path: Path, kilobytes: str, given: str, meant: str, handlers: str
) -> None:
    limit = f'<requestLimits maxAllowedContentLength="{given}" />' if given else ""
    security = f"<security><requestFiltering>{limit}</requestFiltering></security>"
    config = web_config(handlers + security, {"WSGI_HANDLER": "app.app"}).replace(
        "<system.webServer>",
        f'<system.web><httpRuntime maxRequestLength="{kilobytes}" /></system.web><system.webServer>',
    )
    known = found(tmp_path, {"app.py": "app = print", "web.config": config})
    assert ("filtering-short" in known) is bool(meant)
    assert f'"{meant}"' in known.get("filtering-short", '""')


#: A setting, its value, and how the message names the secret; "" where there is none.
SECRETS = [
    ("DB", "Server=db;User Id=shop;Password=Winter!Kestrel24;", "(Password=…)"),
    ("DATABASE_URL", "postgres://shop:Winter!Kestrel24@db/shop", "(://shop:…@)"),
    ("STORE", "DefaultEndpointsProtocol=https;AccountKey=abcdef12345==;", "(AccountKey=…)"),
    ("DB", "Server=db;Integrated Security=true;", ""),
    ("DB", "Server=db;Password={from the portal};", ""),
    ("DB_PASSWORD", "Winter!Kestrel24", "looks like a secret"),
    ("DB_PASSWORD", "%DB_PASSWORD%", ""),
    ("PASSWORD_HINT", "it is a secret and no more", ""),
    ("Payment", "sk_live_0123456789abcdef", "shape of a key"),
    ("API_TOKEN_URL", "https://auth.example.org/token", ""),
]


@pytest.mark.parametrize(("name", "value", "words"), SECRETS)
def test_secrets(tmp_path: Path, name: str, value: str, words: str) -> None:
    write(tmp_path, {"web.config": web_config("", {name: value})})
    known = [one.message for one in check(Site(tmp_path)) if one.code == "settings-secret"]
    assert len(known) == bool(words) and all(words in message for message in known)


_CORS = (
    '<rewrite><outboundRules><rule name="cors"><match serverVariable="{}" pattern=".*" /><conditions>'
    '<add input="{{HTTP_ORIGIN}}" pattern="{}" /></conditions><action type="Rewrite" value="{{C:0}}" />'
    "</rule></outboundRules></rewrite>"
)

#: A pattern for origins, and the remedy; "" where it lets nobody else in.
ORIGINS = [
    (r"^https://www\.a\.example$", ""),
    (r"^https?://(?:[\w-]+\.)?a\.example$", ""),
    (r"^https://(.+\.)?a\.example(:\d+)?$", ""),
    (r"^https://www\.a\.example$|^https://b\.example$", ""),
    (".*", ""),
    ("^https?://localhost:3000", ""),
    (r"https://www\.a\.example", r"^https://www\.a\.example$"),
    (r"^https://www\.a\.example", r"^https://www\.a\.example$"),
    (r"a\.example$", r"^https?://(?:[\w-]+\.)*a\.example$"),
    (r"(https:\/\/((.+\.)?(one|two)\.(com|org)))", r"^(https:\/\/((.+\.)?(one|two)\.(com|org)))$"),
    (
        r"https://a\.example|https://b\.example$",
        r"^(?:https://a\.example|https://b\.example$)$",
    ),
    (r"^https://[\w.-]*(?:shop|news)\.example$", "Begin the pattern"),
]


@pytest.mark.parametrize(("pattern", "remedy"), ORIGINS)
def test_patterns_of_origins(tmp_path: Path, pattern: str, remedy: str) -> None:
    config = web_config(_CORS.format("RESPONSE_Access-Control-Allow-Origin", pattern))
    known = found(tmp_path, {"web.config": config})
    assert ("rewrite-origin-pattern" in known) is bool(remedy)
    assert remedy in known.get("rewrite-origin-pattern", "")
    other = web_config(_CORS.format("RESPONSE_X-Origin", pattern))
    assert "rewrite-origin-pattern" not in found(tmp_path, {"web.config": other})


#: Extension, type, and the type that is meant; "" where it is right, or may be.
TYPES = [
    (".webp", "image/webp", ""),
    (".webp", "text/html", "image/webp"),
    (".webp", "application/octet-stream", ""),
    (".jpg", "image/jpg", ""),
    (".jpg", "images/jpeg", "image/jpeg"),
    (".png", "text/plain", "image/png"),
    (".png", "application/json", "image/png"),
    (".mp4", "audio/mp4", ""),
    (".mp4", "text/html; charset=utf-8", "video/mp4"),
    (".woff", "application/x-font-woff", ""),
    (".woff2", "font/x-woff2", ""),
    (".woff2", "text/css", "font/woff2"),
    (".eot", "application/vnd.ms-fontobject", ""),
    (".eot", "font/eot", ""),
    (".json", "text/plain", ""),
    (".json", "text/html", "application/json"),
    (".pdf", "application/octet-stream", ""),
    (".pdf", "text/html", "application/pdf"),
    (".md", "text/markdown", ""),
    (".usdz", "model/vnd.usdz+zip", ""),
    (".xyz", "chemical/x-xyz", ""),
    (".ice", "x-conference/x-cooltalk", ""),
    (".md", "txt/markdown", "text/markdown"),
    (".geojson", "aplication/geo+json", "application/geo+json"),
]


@pytest.mark.parametrize(("extension", "mime_type", "meant"), TYPES)
def test_mime_types(tmp_path: Path, extension: str, mime_type: str, meant: str) -> None:
    entry = f'<mimeMap fileExtension="{extension}" mimeType="{mime_type}" />'
    inner = f'<staticContent><remove fileExtension="{extension}" />{entry}</staticContent>'
    known = found(tmp_path, {"web.config": web_config(inner)})
    assert known.get("static-mime-type") == (f'Write mimeType="{meant}".' if meant else None)


_PHP = (
    '<handlers><add name="PHP" path="*.php" verb="*" modules="FastCgiModule" '
    'scriptProcessor="C:\\PHP\\php-cgi.exe" resourceType="Either" /></handlers>'
)
_AT_A_FILE = python_handler("handler.fcgi")


@pytest.mark.parametrize(
    ("extension", "handlers", "told"),
    [
        (".php", "", True),
        (".php", _PHP, False),
        (".php", python_handler(), False),
        (".phtml", _PHP, True),
        (".jsp", "", True),
        (".py", "", False),
        (".py", _AT_A_FILE, True),
        (".py", python_handler(), False),
        (".txt", "", False),
    ],
)
def test_sources_that_are_sent(tmp_path: Path, extension: str, handlers: str, told: bool) -> None:
    entry = f'<mimeMap fileExtension="{extension}" mimeType="text/plain" />'
    config = web_config(f"{handlers}<staticContent>{entry}</staticContent>")
    assert ("static-source" in found(tmp_path, {"web.config": config})) is told


#: A scriptProcessor, and the code that is found; "" where nothing is wrong.
PROCESSORS = [
    (r"C:\Py\python.exe|C:\Py\wfastcgi.py", ""),
    (r"&quot;C:\Program Files\Py\python.exe&quot;|&quot;C:\Program Files\Py\wfastcgi.py&quot;", ""),
    (r"%SystemDrive%\Py\python.exe|%SystemDrive%\Py\wfastcgi.py", ""),
    (r"\\server\share\python.exe|\\server\share\wfastcgi.py", ""),
    ("python.exe|wfastcgi.py", "handler-relative-program"),
    ("python|-m wfastcgi", "handler-relative-program"),
    ("python", "handler-relative-program"),
    (r".\env\Scripts\python.exe|.\wfastcgi.py", "handler-relative-program"),
    (r"env\Scripts\python.exe|-m wfastcgi", "handler-relative-program"),
    ("php-cgi.exe", "handler-relative-program"),
    ("&quot;php-cgi.exe&quot;", "handler-relative-program"),
    (r"&quot;C:\Py\python.exe|C:\Py\wfastcgi.py&quot;", "handler-quoted-program"),
]


@pytest.mark.parametrize(("processor", "code"), PROCESSORS)
def test_programs_of_handlers(tmp_path: Path, processor: str, code: str) -> None:
    handler = (
        '<handlers><add name="Py" path="*" verb="*" modules="FastCgiModule" '
        f'scriptProcessor="{processor}" resourceType="Unspecified" /></handlers>'
    )
    known = found(tmp_path, {"web.config": web_config(handler, {"WSGI_HANDLER": "app.app"})})
    assert [one for one in known if one.startswith("handler-")] == ([code] if code else [])


_ADD = '<add name="X" verb="*" path="*.x" type="Site.X" />'
_OFF = '<validation validateIntegratedModeConfiguration="false" />'


@pytest.mark.parametrize(
    ("web", "inner", "told"),
    [
        (f"<httpHandlers>{_ADD}</httpHandlers>", "", True),
        (f"<httpModules>{_ADD}</httpModules>", "", True),
        ('<identity impersonate="true" />', "", True),
        ('<identity impersonate="false" />', "", False),
        ('<httpHandlers><remove verb="*" path="*.asmx" /></httpHandlers>', "", False),
        ("<httpModules />", "", False),
        (f"<httpHandlers>{_ADD}</httpHandlers>", _OFF, False),
        ('<compilation debug="true" />', "", False),
    ],
)
def test_settings_of_classic_mode(tmp_path: Path, web: str, inner: str, told: bool) -> None:
    config = web_config(inner).replace(
        "<system.webServer>", f"<system.web>{web}</system.web><system.webServer>"
    )
    assert ("config-integrated-mode" in found(tmp_path, {"web.config": config})) is told


def _settings(tag: str, key: str, value: str, *pairs: tuple[str, str]) -> str:
    adds = (f'<add {key}="{name}" {value}="{text}" />' for name, text in pairs)
    return f"<configuration><{tag}>{''.join(adds)}</{tag}></configuration>"


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([("A", "1"), ("B", "1")], False),
        ([("A", "1"), ("B", "1"), ("a", "2")], True),
        ([("A", "1"), ("A", "1")], False),
    ],
)
def test_settings_that_are_there_twice(
    tmp_path: Path, pairs: list[tuple[str, str]], told: bool
) -> None:
    config = _settings("appSettings", "key", "value", *pairs)
    assert ("settings-twice" in found(tmp_path, {"web.config": config})) is told
    config = _settings("connectionStrings", "name", "connectionString", *pairs)
    is_there = len({name.lower() for name, _ in pairs}) < len(pairs)
    assert ("settings-twice" in found(tmp_path, {"web.config": config})) is is_there


_EXECUTED = (
    '<defaultDocument><files><clear /><add value="index.html" /></files></defaultDocument>'
    '<httpErrors errorMode="Custom"><remove statusCode="404" /><remove statusCode="500" />'
    '<error statusCode="404" path="{0}" responseMode="{1}" /><error statusCode="500" path="{0}" '
    'responseMode="{1}" /></httpErrors>'
)


@pytest.mark.parametrize(
    ("path", "mode", "code", "count"),
    [
        ("/errors/lost.html", "ExecuteURL", "errors-soft", 1),
        ("/index.html", "ExecuteURL", "", 0),  # for an application in the browser
        ("/errors/lost.html", "Redirect", "errors-redirect", 2),
        ("https://www.a.example/lost", "Redirect", "", 0),
        ("errors\\lost.html", "File", "", 0),
    ],
)
def test_pages_that_are_no_errors(
    tmp_path: Path, path: str, mode: str, code: str, count: int
) -> None:
    files = {"errors/lost.html": "lost", "index.html": "hello"}
    write(tmp_path, {**files, "web.config": web_config(_EXECUTED.format(path, mode))})
    known = [one for one in check(Site(tmp_path)) if one.severity != "info"]
    assert [one.code for one in known] == [code] * count
    assert all(
        one.hint == 'Write path="errors\\lost.html" responseMode="File" for each status.'
        for one in known
    )


_DJANGO = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()"


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        (_DJANGO, "warning"),
        (_DJANGO + "\nMIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']", ""),
        (_DJANGO + "\nurlpatterns += static(settings.STATIC_URL, document_root=ROOT)", ""),
        ("app = FastAPI()\napp.mount('/static', StaticFiles(directory='static'))", ""),
        ("app = Flask(__name__)", "info"),
        (_DJANGO + "\nSTATIC_URL = 'static/'", "warning"),
        (_DJANGO + "\nSTATIC_URL = '/files/'", ""),
    ],
)
def test_who_sends_files(tmp_path: Path, code: str, severity: str) -> None:
    config = web_config(python_handler(), {"WSGI_HANDLER": "app.app"})
    write(tmp_path, {"app.py": code, "static/site.css": "", "web.config": config})
    known = [one.severity for one in check(Site(tmp_path)) if one.code == "handler-takes-files"]
    assert known == ([severity] if severity else [])


#: An entry of <handlers>, more of <system.webServer>, and the remedy; "" where it is right.
NO_MODULES = [
    ('path="*.php" scriptProcessor="C:\\PHP\\php-cgi.exe"', "", 'modules="FastCgiModule"'),
    ('path="*.py" scriptProcessor="C:\\Py\\python.exe %s %s"', "", 'modules="CgiModule"'),
    ('path="*.x" scriptProcessor="C:\\x\\x.dll"', "", 'modules="IsapiModule"'),
    ('path="server.js"', '<iisnode watchedFiles="*.js" />', 'modules="iisnode"'),
    ('path="*"', '<httpPlatform processPath="python" />', 'modules="httpPlatformHandler"'),
    ('path="*.x"', "", 'modules="…"'),
    ('path="*.axd" type="Site.Handler"', "", ""),
    ('path="*.txt" modules="StaticFileModule"', "", ""),
]


@pytest.mark.parametrize(("attributes", "more", "remedy"), NO_MODULES)
def test_handlers_without_a_module(tmp_path: Path, attributes: str, more: str, remedy: str) -> None:
    config = web_config(f'<handlers><add name="X" verb="*" {attributes} /></handlers>{more}')
    known = found(tmp_path, {"web.config": config})
    assert ("handler-no-module" in known) is bool(remedy)
    assert remedy in known.get("handler-no-module", "")


def test_a_script_that_rules_name_too(tmp_path: Path) -> None:
    rule = '<rule name="all"><match url=".*" /><action type="Rewrite" url="index.js" /></rule>'
    inner = (
        _NODE.format("").replace("server.js", "index.js")
        + f"<rewrite><rules>{rule}</rules></rewrite>"
    )
    known = found(tmp_path, {"app.js": "", "web.config": web_config(inner)})
    assert known["iisnode-no-script"].startswith(
        'Write path="app.js", and in the rules all as well:'
    )


def test_names_in_another_case_below(tmp_path: Path) -> None:
    errors = '<httperrors errormode="Custom"><remove statuscode="404" /></httperrors>'
    for inner, names in (
        (errors, ", and below it httpErrors, errorMode, statusCode: case counts in all names."),
        ("<httpErrors />", "."),
    ):
        config = f"<configuration><system.webserver>{inner}</system.webserver></configuration>"
        known = found(tmp_path, {"web.config": config})
        assert known["config-element-case"] == f"Write <system.webServer>{names}"


#: The attributes of a handler for Python, and the code of its error; "" where there is none.
MODULES = [
    (r'modules="FastCgiModule" scriptProcessor="C:\Py\python.exe|C:\Py\wfastcgi.py"', ""),
    (
        r'modules="CgiModule" scriptProcessor="C:\Py\python.exe|C:\Py\wfastcgi.py"',
        "handler-other-module",
    ),
    (r'modules="CgiModule" scriptProcessor="C:\Py\python.exe -u &quot;%s&quot; %s"', ""),
    (r'modules="CgiModule" scriptProcessor="C:\tools\count.exe"', ""),
    (r'modules="FastCgiModule" scriptProcessor="C:\Py\python.exe %s %s"', "handler-other-module"),
    (r'modules="IsapiModule" scriptProcessor="C:\PHP\php-cgi.exe"', "handler-other-module"),
    (r'modules="FastCgiModule" scriptProcessor="C:\PHP\php5isapi.dll"', "handler-other-module"),
    (r'modules="IsapiModule" scriptProcessor="%windir%\aspnet_isapi.dll"', ""),
    (
        r'modules="FastCgiModule" scriptProcessor="C:\Py\Lib\site-packages\wfastcgi.py"',
        "handler-script-alone",
    ),
    (
        r'modules="FastCgiModule" scriptProcessor="C:\Py\python.exe C:\Py\wfastcgi.py"',
        "handler-no-bar",
    ),
]


@pytest.mark.parametrize(("attributes", "code"), MODULES)
def test_modules_that_run_programs(tmp_path: Path, attributes: str, code: str) -> None:
    handler = f'<add name="X" path="*" verb="*" resourceType="Unspecified" {attributes} />'
    config = web_config(f"<handlers>{handler}</handlers>", {"WSGI_HANDLER": "app.app"})
    known = found(tmp_path, {"app.py": "app = print", "web.config": config})
    assert list(known) == ([code] if code else [])


@pytest.mark.parametrize(
    ("verb", "remedy"),
    [
        ("GET;POST", 'Write verb="GET,POST".'),
        ("GET POST", 'Write verb="GET,POST".'),
        ("get | post", 'Write verb="GET,POST".'),
        ("GET, POST", ""),
        ("*", ""),
    ],
)
def test_separators_of_verbs(tmp_path: Path, verb: str, remedy: str) -> None:
    handler = _PHP.replace('verb="*"', f'verb="{verb}"')
    assert found(tmp_path, {"web.config": web_config(handler)}).get("handler-verb", "") == remedy


_RUN = "from flask import Flask\napp = Flask(__name__)\napp.run(port=int({}))\n"
_SET = '<environmentVariables><environmentVariable name="{}" value="%HTTP_PLATFORM_PORT%" /></environmentVariables>'

#: processPath and arguments, run.py, variables, and the code that is found.
PLATFORMS = [
    (r"C:\Py\python.exe", "run.py", "os.environ.get('PORT', 5000)", "", "platform-no-port"),
    (r"C:\Py\python.exe", "run.py", "os.environ.get('PORT', 5000)", "PORT", ""),
    (r"C:\Py\python.exe", "run.py", "os.environ['HTTP_PLATFORM_PORT']", "", ""),
    (
        r"C:\Py\python.exe",
        "run.py",
        "os.getenv('PORT') or os.getenv('HTTP_PLATFORM_PORT')",
        "",
        "",
    ),
    (r"C:\Py\python.exe", "run.py %HTTP_PLATFORM_PORT%", "sys.argv[1]", "", ""),
    (r"C:\Py\python.exe", "run.py", "config.port", "", ""),
    (r"C:\site\run.py", "%HTTP_PLATFORM_PORT%", "sys.argv[1]", "", "platform-program"),
    (r"C:\Py\python.exe", r"C:\Py\Lib\site-packages\wfastcgi.py", "1", "", "platform-wfastcgi"),
    (r"C:\Py\python.exe", "-m wfastcgi", "1", "", "platform-wfastcgi"),
]


@pytest.mark.parametrize(("program", "arguments", "port", "variable", "code"), PLATFORMS)
def test_programs_behind_http_platform(
    tmp_path: Path, program: str, arguments: str, port: str, variable: str, code: str
) -> None:
    config = web_config(_PLATFORM.format(arguments).replace(r"C:\Py\python.exe", program))
    if variable:
        config = config.replace(
            f'arguments="{arguments}" />',
            f'arguments="{arguments}">{_SET.format(variable)}</httpPlatform>',
        )
    known = found(tmp_path, {"run.py": _RUN.format(port), "web.config": config})
    assert list(known) == ([code] if code else [])


@pytest.mark.parametrize("value", [".app.app", "app.app.", "app..app", "&quot;app.app&quot;"])
def test_signs_around_the_name_of_a_handler(tmp_path: Path, value: str) -> None:
    config = web_config(python_handler(), {"WSGI_HANDLER": value})
    known = found(tmp_path, {"app.py": "app = print", "web.config": config})
    assert known["settings-handler-name"] == "Write app.app."


#: A header, its value, and what is meant; "" where it is right, or nothing is known.
POLICIES = [
    ("Permissions-Policy", "geolocation=(), camera=(self)", ""),
    ("Permissions-Policy", 'fullscreen=(self "https://a.example"), payment=*', ""),
    ("Permissions-Policy", "geolocation 'none'; camera 'self'", "geolocation=(), camera=(self)"),
    ("Permissions-Policy", "geolocation=none", "geolocation=()"),
    ("Permissions-Policy", "geolocation=(); camera=()", "geolocation=(), camera=()"),
    (
        "Permissions-Policy",
        "payment 'self' https://a.example",
        'payment=(self "https://a.example")',
    ),
    ("Content-Security-Policy", "upgrade-insecure-requests; block-all-mixed-content", ""),
    ("Content-Security-Policy", "upgrade-insecure-request", "upgrade-insecure-requests"),
    ("Content-Security-Policy", "scripts-src 'self'", "script-src 'self'"),
    ("Content-Security-Policy", "img-src https//a.example", "img-src https://a.example"),
    ("Cache-Control", "public, max-age=1y", "public, max-age=31536000"),
    ("Cache-Control", "max-age=7days", "max-age=604800"),
    ("Cache-Control", "max-age=86400", ""),
    ("X-XSS-Protection", "0", ""),
    ("X-XSS-Protection", "1; mode=block", ""),
    ("X-XSS-Protection", "1;mode=block", ""),
    ("X-XSS-Protection", "1 mode=block", "1; mode=block"),
]


@pytest.mark.parametrize(("name", "value", "meant"), POLICIES)
def test_policies(tmp_path: Path, name: str, value: str, meant: str) -> None:
    add = f'<add name="{name}" value="{value.replace(chr(34), "&quot;")}" />'
    config = web_config(f"<httpProtocol><customHeaders>{add}</customHeaders></httpProtocol>")
    known = found(tmp_path, {"web.config": config})
    assert known.get("static-header-value", "") == (f'Write value="{meant}".' if meant else "")


_TYPE = '<httpProtocol><customHeaders><add name="{}" value="x" /></customHeaders></httpProtocol>'


@pytest.mark.parametrize(
    ("name", "place", "told"),
    [
        ("Content-Type", "", True),
        ("content-encoding", "", True),
        ("X-Content-Type", "", False),
        ("Content-Type", "docs", False),
        ("Content-Type", ".", True),
    ],
)
def test_headers_of_one_response(tmp_path: Path, name: str, place: str, told: bool) -> None:
    inner = f"<system.webServer>{_TYPE.format(name)}</system.webServer>"
    inner = f'<location path="{place}">{inner}</location>' if place else inner
    config = f"<configuration>{inner}</configuration>"
    assert ("static-header-everywhere" in found(tmp_path, {"web.config": config})) is told
    below = {"web.config": web_config(), "docs/web.config": config}
    assert "static-header-everywhere" not in found(tmp_path, below)


_PAGES = '<customErrors mode="{}"><error statusCode="404" redirect="404.html" /></customErrors>'
_CLOSED = '<authorization><deny users="?" /></authorization>'
_SAME = (
    '<httpErrors><remove statusCode="404" /><error statusCode="404" path="404.html" /></httpErrors>'
)


@pytest.mark.parametrize(
    ("web", "inner", "files", "code"),
    [
        (_PAGES.format("On"), "", ["index.html"], "config-aspnet-setting"),
        (_PAGES.format("Off"), "", ["index.html"], ""),
        (_PAGES.format("On"), _SAME, ["index.html"], ""),
        (_PAGES.format("On"), "", ["Default.aspx"], ""),
        (_PAGES.format("On"), "", [], ""),
        (_CLOSED, "", ["index.html"], "config-aspnet-authorization"),
        (_CLOSED, "", ["index.html", "Global.asax"], ""),
    ],
)
def test_settings_of_asp_net(
    tmp_path: Path, web: str, inner: str, files: list[str], code: str
) -> None:
    config = web_config(inner).replace(
        "<system.webServer>", f"<system.web>{web}</system.web><system.webServer>"
    )
    pages = dict.fromkeys([*files, "404.html"] if files else [], "")
    known = found(tmp_path, {**pages, "web.config": config})
    assert list(known) == ([code] if code else [])


@pytest.mark.parametrize(
    ("module", "meant"),
    [
        ("FastCGI", "FastCgiModule"),
        ("FastCgiHandler", "FastCgiModule"),
        ("httpPlatform", "httpPlatformHandler"),
        ("StaticFile", "StaticFileModule"),
        ("FastCGIModul", "FastCgiModule"),
        ("Zebra", ""),
    ],
)
def test_names_of_modules_that_are_near(tmp_path: Path, module: str, meant: str) -> None:
    config = web_config(
        f'<handlers><add name="h" path="*.x" verb="*" modules="{module}" /></handlers>'
    )
    hint = found(tmp_path, {"web.config": config})["handler-unknown-module"]
    assert hint == (f"Did you mean {meant}?" if meant else "Install the module, or name another.")
