"""The tools behind the Model Context Protocol, over stdin and stdout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from ..errors import SiteError
from ..version import __version__
from . import tools
from .confined import Confined
from .tools import Json

#: Seconds that one answer may take.
LIMIT = 120
_ABOUT = """\
What IIS (with URL Rewrite and FastCGI) would do with the sites of one folder, and why. Read only:
no site is started and nothing is written. Paths are relative to the folder."""
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

Site = Annotated[str, Field(description="The site's folder, or its web.config.")]
Url = Annotated[str, Field(description="A path such as /a?b=1, or an absolute URL.")]
Method = Annotated[str, Field(description="The method, such as GET.")]
Headers = Annotated[dict[str, str] | None, Field(description="Request headers by name.")]
Https = Annotated[bool, Field(description="Whether the request comes over TLS.")]
File = Annotated[str, Field(description="A file of expectations; all *.expect by default.")]
Expectations = Annotated[
    str, Field(description="Expectations in the place of a file, one a line: /old -> 301 /new")
]
Version = Annotated[
    str, Field(description="A folder, a web.config, or a git revision of the site (HEAD).")
]
Urls = Annotated[list[str], Field(description="URLs, each a path or absolute.")]


def make(folder: Confined) -> MCPServer[Any]:
    """The server for one folder."""
    server: MCPServer[Any] = MCPServer(
        "fcgiemu", version=__version__, instructions=_ABOUT, log_level="WARNING"
    )

    @server.tool(annotations=_READS)
    async def explain(
        url: Url,
        site: Site = ".",
        method: Method = "GET",
        headers: Headers = None,
        https: Https = False,
    ) -> Json:
        """Say what IIS would do with a URL and why: rules, handler, status; a story and data."""
        return await _answer(
            tools.explain,
            folder,
            url,
            site=site,
            method=method,
            headers=headers or {},
            https=https,
        )

    @server.tool(annotations=_READS)
    async def check(site: Site = ".") -> Json:
        """Find what is wrong or surprising in a web.config, with places and remedies."""
        return await _answer(tools.check, folder, site)

    @server.tool(annotations=_READS)
    async def test(site: Site = ".", file: File = "", expectations: Expectations = "") -> Json:
        """Compare expectations with what IIS would do; failures say what differs."""
        return await _answer(tools.test, folder, site, file, expectations)

    @server.tool(annotations=_READS)
    async def diff(old: Version, urls: Urls, new: Version = "", site: Site = ".") -> Json:
        """Say which URLs change destination from one version of a site to another (the site as it
        is now, by default).
        """
        return await _answer(tools.diff, folder, old, new, site, urls)

    return server


async def _answer(tool: Callable[..., Json], *arguments: object, **named: object) -> Json:
    """What a tool returns, from a thread. Raises ToolError with what can be repaired."""
    try:
        with anyio.fail_after(LIMIT):
            return await anyio.to_thread.run_sync(
                partial(tool, *arguments, **named), abandon_on_cancel=True
            )
    except SiteError as error:
        raise ToolError(f"{error} {error.hint}".strip()) from None
    except TimeoutError:
        raise ToolError(f"This takes longer than {LIMIT} seconds: ask for less.") from None
    except OSError as error:
        raise ToolError(f"A file cannot be read: {error.strerror}.") from None
