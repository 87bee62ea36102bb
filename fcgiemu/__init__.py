"""fcgiemu: IIS and its FastCGI module, emulated on the developer's own machine.

``Site(path).explain("/a?b=1")`` says what IIS would do with a URL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

__all__ = [
    "Decision",
    "Explanation",
    "Finding",
    "Request",
    "Settings",
    "Site",
    "SiteError",
    "Trace",
    "__version__",
]

if TYPE_CHECKING:
    from .catalogue.findings import Finding
    from .decision import Decision
    from .errors import SiteError
    from .http.request import Request
    from .report.explanation import Explanation
    from .settings import Settings
    from .site import Site
    from .trace import Trace

#: Public name -> the module that has it.
_HOMES = {
    "Decision": "decision",
    "Explanation": "report.explanation",
    "Finding": "catalogue.findings",
    "Request": "http.request",
    "Settings": "settings",
    "Site": "site",
    "SiteError": "errors",
    "Trace": "trace",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first used: ``import fcgiemu`` alone costs
    nothing.
    """
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
