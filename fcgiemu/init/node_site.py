"""A Node site as Kudu has it: the web.config and the iisnode.yml that it writes where the source
has none (seen in its scripts).
"""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path

from ..files import content, find
from ..modules import iisnode_yml
from ..programs import node

#: Files that start a site whose package.json names none, the first that is there.
_USUAL = ("server.js", "app.js")
#: Where App Service has its Nodes.
_NODES = "D:\\Program Files (x86)\\nodejs"


def is_node(source: Path) -> bool:
    """Kudu's test: package.json, or one of the files that usually start a site."""
    return find(source, "package.json") is not None or any(
        find(source, name) is not None for name in _USUAL
    )


def start_file(source: Path) -> str:
    """The file that a site begins with: the one of its start script, where package.json has one
    that names a file; else server.js or app.js; "" where there is none.
    """
    named = start_script(source)
    if named is not None:
        return named
    return next((name for name in _USUAL if find(source, name) is not None), "")


def start_script(source: Path) -> str | None:
    """FILE where scripts.start of package.json is ``node FILE``, "" where it leads out of the site;
    None for any other.
    """
    scripts = node.package(source).get("scripts")
    start = scripts.get("start") if isinstance(scripts, dict) else None
    if isinstance(start, str) and (match := re.fullmatch(r"\s*node\s+(?:\./)?(\S+)\s*", start)):
        file = match[1].replace("\\", "/")
        return file if not file.startswith("/") and ".." not in file.split("/") else ""
    return None


def web_config(start: str) -> str:
    """The web.config that Kudu writes: files of ``public`` are static, all else is ``start``'s.
    WebSockets and errors are left to it.
    """
    file = escape(start)
    pattern = escape(re.escape(start).replace("/", "\\/"))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <system.webServer>
    <webSocket enabled="false" />
    <handlers>
      <add name="iisnode" path="{file}" verb="*" modules="iisnode" />
    </handlers>
    <rewrite>
      <rules>
        <rule name="NodeInspector" patternSyntax="ECMAScript" stopProcessing="true">
          <match url="^{pattern}\\/debug[\\/]?" />
        </rule>
        <rule name="StaticContent">
          <action type="Rewrite" url="public{{REQUEST_URI}}" />
        </rule>
        <rule name="DynamicContent">
          <conditions>
            <add input="{{REQUEST_FILENAME}}" matchType="IsFile" negate="true" />
          </conditions>
          <action type="Rewrite" url="{file}" />
        </rule>
      </rules>
    </rewrite>
    <security>
      <requestFiltering>
        <hiddenSegments>
          <remove segment="bin" />
        </hiddenSegments>
      </requestFiltering>
    </security>
    <httpErrors existingResponse="PassThrough" />
  </system.webServer>
</configuration>
"""


def yml_line(source: Path, start: str) -> str:
    """The line that Kudu adds to iisnode.yml beside the start file: the Node of engines.node. ""
    where package.json asks for none, or the file names one.
    """
    engines = node.engines_of(source)
    folder = source / Path(start).parent
    known = iisnode_yml.read(content(folder, "iisnode.yml")).lines
    if not engines or any(line.key.lower() == "nodeprocesscommandline" for line in known):
        return ""
    return f'nodeProcessCommandLine: "{_NODES}\\{_version(engines)}\\node.exe"'


def _version(engines: str) -> str:
    """Three numbers for engines.node: those of the Node here where it fits, else the first that are
    written.
    """
    program = shutil.which("node")
    here = node.version(program) if program else ()
    fits = len(here) == 3 and node.satisfies(here, engines)
    chosen = here if fits else (*node.version_of(engines), 0, 0, 0)[:3]
    return ".".join(map(str, chosen))


def has_dependencies(source: Path) -> bool:
    """Whether npm has anything to install."""
    found = node.package(source).get("dependencies")
    return isinstance(found, dict) and bool(found)
