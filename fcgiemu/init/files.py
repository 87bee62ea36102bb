"""The files that make IIS serve a site: web.config, static/web.config, and an adapter for ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..errors import SiteError
from ..files import find
from ..programs.interpreters import processor_of
from . import node_site
from .recognise import Recognised

PLATFORMS = ("wfastcgi", "httpplatform")
#: The module that gives an ASGI application a WSGI face.
ADAPTER = "iis_wsgi"
_HANDLER = "Python"


@dataclass(frozen=True, slots=True)
class Written:
    """A file to write, relative to the site, and why it says what it says."""

    name: str
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is written for a site, what the server needs beside it, and what else is worth saying.
    ``platform`` is one of PLATFORMS, or "" where no Python runs.
    """

    platform: str
    files: tuple[Written, ...]
    needs: tuple[str, ...] = ()


def plan(site: Recognised, platform: str | None, python: str) -> Plan:
    """What to write. ``platform`` None chooses; ``python`` is the folder of Python on the server,
    ``C:\\Python312``.
    """
    if site.kind == "PHP":
        return Plan(platform="", files=(Written("web.config", _php(), _PHP),), needs=_PHP_NEEDS)
    if site.start:
        return _node(site.start)
    if not site.is_python:
        return _pages(site)
    chosen = platform or ("httpplatform" if site.is_asgi else "wfastcgi")
    return (_http_platform if chosen == "httpplatform" else _wfastcgi)(site, python.rstrip("\\/"))


def write(folder: Path, files: tuple[Written, ...]) -> None:
    """Write the files, all or none. Raises SiteError where one exists already or cannot be
    written: nothing is overwritten.
    """
    for file in files:
        there = find(folder / Path(file.name).parent, Path(file.name).name)
        if there is not None:
            raise SiteError(
                f"{there} exists already: nothing was written.",
                "Look at what would be written with --dry-run, or move that file away.",
            )
    done: list[Path] = []
    try:
        for file in files:
            path = folder / file.name
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\r\n") as out:
                done.append(path)
                out.write(file.text)
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        raise SiteError(
            f"{folder / file.name} cannot be written: {error.strerror}.",
            "Nothing was written. Give yourself the right to write there, or use --dry-run.",
        ) from error


# -- wfastcgi --------------------------------------------------------------------------------------


def _wfastcgi(site: Recognised, python: str) -> Plan:
    files, needs = [], [f"{python}\\Scripts\\pip install wfastcgi"]
    settings = [("WSGI_HANDLER", site.handler)]
    if site.is_asgi:
        files.append(Written(f"{ADAPTER}.py", _adapter(site), "wfastcgi speaks WSGI, not ASGI"))
        settings = [("WSGI_HANDLER", f"{ADAPTER}.application")]
        needs[0] += " a2wsgi"
    if site.settings:
        settings.append(("DJANGO_SETTINGS_MODULE", site.settings))
    if site.python_path:
        settings.append(("PYTHONPATH", site.python_path))
    needs.append(
        f"{python}\\Scripts\\wfastcgi-enable, which registers this scriptProcessor; if it prints "
        "another one, copy that into web.config"
    )
    adds = "".join(
        f"    <add key={quoteattr(name)} value={quoteattr(value)} />\n" for name, value in settings
    )
    processor = quoteattr(processor_of(python))
    body = f"""\
  <appSettings>
{adds}  </appSettings>
  <system.webServer>
    <handlers>
      <add name="{_HANDLER}" path="*" verb="*" modules="FastCgiModule"
           scriptProcessor={processor}
           resourceType="Unspecified" requireAccess="Script" />
    </handlers>
  </system.webServer>
"""
    why = f"every URL goes to {settings[0][1]} through wfastcgi"
    return Plan(
        platform="wfastcgi",
        files=(Written("web.config", _configuration(body), why), *_static(site), *files),
        needs=tuple(needs),
    )


def _adapter(site: Recognised) -> str:
    name = site.handler.removesuffix("()")
    module, _, attribute = name.rpartition(".")
    call = "()" if site.handler.endswith("()") else ""
    return f'''"""The application as WSGI, for wfastcgi."""

from a2wsgi import ASGIMiddleware

from {module} import {attribute}

application = ASGIMiddleware({attribute}{call})
'''


# -- HttpPlatformHandler ---------------------------------------------------------------------------


def _http_platform(site: Recognised, python: str) -> Plan:
    module, _, attribute = site.handler.rpartition(".")
    if site.kind == "Dash":  # its WSGI application is an attribute of the object
        module, _, owner = module.rpartition(".")
        attribute = f"{owner}.{attribute}"
    server, arguments = _server(site, f"{module}:{attribute.removesuffix('()')}")
    variables = [("DJANGO_SETTINGS_MODULE", site.settings)] if site.settings else []
    if site.python_path:
        variables.append(("PYTHONPATH", site.python_path))
    lines = "".join(
        f"        <environmentVariable name={quoteattr(name)} value={quoteattr(value)} />\n"
        for name, value in variables
    )
    environment = (
        f">\n      <environmentVariables>\n{lines}      </environmentVariables>\n"
        "    </httpPlatform>"
        if lines
        else " />"
    )
    process = quoteattr(f"{python}\\python.exe")
    body = f"""\
  <system.webServer>
    <handlers>
      <add name="{_HANDLER}" path="*" verb="*" modules="httpPlatformHandler"
           resourceType="Unspecified" requireAccess="Script" />
    </handlers>
    <httpPlatform processPath={process}
                  arguments={quoteattr(arguments)}
                  startupTimeLimit="60" stdoutLogEnabled="false"{environment}
  </system.webServer>
"""
    why = f"every URL goes to {site.handler} through {server}, which IIS starts"
    return Plan(
        platform="httpplatform",
        files=(Written("web.config", _configuration(body), why), *_static(site)),
        needs=(
            "HttpPlatformHandler 1.2 or newer, from https://www.iis.net/downloads",
            f"{python}\\Scripts\\pip install {server}",
        ),
    )


def _server(site: Recognised, target: str) -> tuple[str, str]:
    """(package of a server, its arguments) for an application ``module:name``."""
    factory = site.handler.endswith("()")
    if site.is_asgi:
        option = " --factory" if factory else ""
        return "uvicorn", f"-m uvicorn{option} --port %HTTP_PLATFORM_PORT% {target}"
    if site.handler.startswith("django.core.wsgi"):
        factory = True
    option = " --call" if factory else ""
    return "waitress", f"-m waitress --listen=127.0.0.1:%HTTP_PLATFORM_PORT%{option} {target}"


# -- files that IIS serves by itself ---------------------------------------------------------------


def _static(site: Recognised) -> Iterator[Written]:
    """The file that takes a folder of static files away from Python."""
    if site.static:
        body = f"""\
  <system.webServer>
    <handlers>
      <remove name="{_HANDLER}" />
    </handlers>
  </system.webServer>
"""
        name = f"{site.static}/web.config"
        yield Written(name, _configuration(body), f"IIS serves /{site.static}/ by itself")


def _pages(site: Recognised) -> Plan:
    if site.kind == "single-page":
        why = "every URL that is not a file gets index.html, whose script shows the page"
        return Plan(
            platform="",
            files=(Written("web.config", _configuration(_SINGLE_PAGE), why),),
            needs=("URL Rewrite 2.1, from https://www.iis.net/downloads",),
        )
    why = "IIS's own defaults serve the files; types that IIS 10 does not know are added"
    return Plan(platform="", files=(Written("web.config", _configuration(_TYPES), why),))


#: Types that IIS 10 lacks: it answers 404.3 for them. Removed first, as a server may have them.
_TYPES = """\
  <system.webServer>
    <staticContent>
      <remove fileExtension=".webp" />
      <mimeMap fileExtension=".webp" mimeType="image/webp" />
      <remove fileExtension=".avif" />
      <mimeMap fileExtension=".avif" mimeType="image/avif" />
      <remove fileExtension=".mjs" />
      <mimeMap fileExtension=".mjs" mimeType="text/javascript" />
      <remove fileExtension=".wasm" />
      <mimeMap fileExtension=".wasm" mimeType="application/wasm" />
      <remove fileExtension=".webmanifest" />
      <mimeMap fileExtension=".webmanifest" mimeType="application/manifest+json" />
    </staticContent>
  </system.webServer>
"""
_SINGLE_PAGE = _TYPES.replace(
    "  </system.webServer>\n",
    """\
    <rewrite>
      <rules>
        <rule name="Single page" stopProcessing="true">
          <match url=".*" />
          <conditions>
            <add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />
            <add input="{REQUEST_FILENAME}" matchType="IsDirectory" negate="true" />
          </conditions>
          <action type="Rewrite" url="index.html" />
        </rule>
      </rules>
    </rewrite>
  </system.webServer>
""",
)


def _node(start: str) -> Plan:
    why = f"every URL that is not a file of public goes to {start} through iisnode, as on Azure"
    return Plan(
        platform="",
        files=(Written("web.config", node_site.web_config(start), why),),
        needs=(
            "iisnode, from https://github.com/Azure/iisnode/releases (App Service has it)",
            "URL Rewrite 2.1, from https://www.iis.net/downloads",
        ),
    )


_PHP = "*.php goes to PHP, a folder to its index.php; all other files are IIS's own"
_PHP_NEEDS = (
    "CGI among the features of IIS, and PHP in C:\\PHP",
    "appcmd set config /section:system.webServer/fastCgi "
    "\"/+[fullPath='C:\\PHP\\php-cgi.exe']\" /commit:apphost",
)


def _php() -> str:
    return _configuration("""\
  <system.webServer>
    <handlers>
      <add name="PHP" path="*.php" verb="*" modules="FastCgiModule"
           scriptProcessor="C:\\PHP\\php-cgi.exe" resourceType="Either" requireAccess="Script" />
    </handlers>
    <defaultDocument>
      <files>
        <remove value="index.php" />
        <add value="index.php" />
      </files>
    </defaultDocument>
  </system.webServer>
""")


def _configuration(body: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<configuration>\n{body}</configuration>\n'
