"""Sites of iisnode that tests write, and the Node that some of them need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: Marks what is tested with a real Node.
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

#: Where npm has put packages for tests: .ci/run into the repository, or a folder of this variable.
PACKAGES = Path(
    os.environ.get("FCGIEMU_NODE_MODULES") or Path(__file__).parents[1] / "node_modules"
)


def with_packages(site: Path, *names: str) -> Path:
    """Give a site the packages of npm that it needs; skip where they are missing."""
    for name in names:
        if not (PACKAGES / name).is_dir():
            pytest.skip(f"npm has not installed {name} into {PACKAGES} (see .ci/run)")
    (site / "node_modules").symlink_to(PACKAGES)
    return site


#: Echoes what it got, as JSON.
ECHO = """
const http = require('http');
let count = 0;
http.createServer(function (request, response) {
    let body = '';
    request.on('data', part => body += part);
    request.on('end', function () {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({
            url: request.url, method: request.method, version: request.httpVersion,
            headers: request.headers, raw: request.rawHeaders.filter((_, n) => n % 2 === 0),
            body: body, env: process.env, argv: process.argv, pid: process.pid, cwd: process.cwd(),
            count: ++count, main: require.main === module, parent: Boolean(module.parent)
        }));
    });
}).listen(process.env.PORT);
"""


def node_config(
    attributes: str = "",
    inner: str = '<webSocket enabled="false" />',
    settings: str = "",
    path: str = "server.js",
) -> str:
    """A web.config that gives ``path`` to iisnode."""
    section = f"<iisnode {attributes} />" if attributes else ""
    return (
        f"<configuration><appSettings>{settings}</appSettings><system.webServer>"
        f'<handlers><add name="iisnode" path="{path}" verb="*" modules="iisnode" /></handlers>'
        f"{section}{inner}</system.webServer></configuration>"
    )


#: Every URL goes to server.js, and Node's own error pages are left alone.
ALL = (
    '<rewrite><rules><rule name="all"><action type="Rewrite" url="server.js" /></rule></rules>'
    '</rewrite><httpErrors existingResponse="PassThrough" /><webSocket enabled="false" />'
)
