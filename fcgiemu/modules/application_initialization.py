"""ApplicationInitializationModule: <applicationInitialization>, the pages that a server asks for by
itself when an application starts.

While they are asked for, rules see ``{APP_WARMING_UP}`` as 1. remapManagedRequestsTo is about
managed content, which no FastCGI request is: it does nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config.tree import Effective
from . import loaded_modules

MODULE = "ApplicationInitializationModule"
SECTION = "system.webServer/applicationInitialization"
#: The server variable that rules may ask during the start of an application, and its value.
WARMING_UP = {"APP_WARMING_UP": "1"}


@dataclass(frozen=True, slots=True)
class Initialization:
    """The compiled section: (path below the application, host name or "") of each page."""

    pages: tuple[tuple[str, str], ...]
    after_restart: bool


def initialization(effective: Effective) -> Initialization:
    """The section of an application. A view: see Effective.view."""
    if MODULE in effective.view(loaded_modules.modules_not_loaded):
        return Initialization((), False)
    section = effective.section(SECTION)
    pages = tuple(
        ("/" + item.text("initializationPage").lstrip("/"), item.text("hostName"))
        for item in section.items
    )
    return Initialization(pages, section.flag("doAppInitAfterRestart"))
