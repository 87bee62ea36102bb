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
    ("", "dotnet", r".\App.dll", "", "", "aspnetcore-first-version"),
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
    known = found(tmp_path, {"app.py": "app = print", "web.config": config})
    assert list(known) == (["errors-detailed"] if remedy else [])
    assert remedy in known.get("errors-detailed", "")


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
