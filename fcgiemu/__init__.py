"""fcgiemu: IIS and its FastCGI module, emulated on the developer's own machine.

``Site(path).explain("/a?b=1")`` says what IIS would do with a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Request", "Settings", "Site", "SiteError", "__version__"]

if TYPE_CHECKING:
    from .applications import SiteError
    from .http.request import Request
    from .site import Settings, Site


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first used: ``import fcgiemu`` alone costs
    nothing.
    """
    if name == "Request":
        from .http.request import Request

        return Request
    if name in ("Settings", "Site", "SiteError"):
        from . import site

        return getattr(site, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
