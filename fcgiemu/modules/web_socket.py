"""WebSocketModule: whether a site upgrades connections."""

from __future__ import annotations

from ..config.tree import Effective
from . import loaded_modules

SECTION = "system.webServer/webSocket"


def enabled(effective: Effective) -> bool:
    """Whether the module is loaded and <webSocket> enables it. A view: see Effective.view."""
    absent = effective.view(loaded_modules.modules_not_loaded)
    return "WebSocketModule" not in absent and effective.section(SECTION).flag("enabled")
