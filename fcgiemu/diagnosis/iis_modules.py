"""Sections that do nothing on a server of this kind: the module that they belong to is a feature
that it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.schema import EXTENSIONS, WEB_SERVER
from ..config.tree import Effective
from ..modules.loaded_modules import SECTION
from ..profiles import DEFAULT, MISSING_ON_FRESH_IIS
from ..report.profile_support import MODULES
from ..site import Site


def findings(site: Site, effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about the sections that ``file`` gives to a configuration."""
    loaded = {item.text("name") for item in effective.section(SECTION).items}
    for name, module in MODULES.items():
        feature = site.profile.lacking.get(module)
        if name.startswith("security/authentication/"):
            continue  # see identities.py
        section = effective.section(WEB_SERVER + name)
        if section.file is not file or WEB_SERVER + name in EXTENSIONS or not _acts(section):
            continue
        if feature is None or module in loaded or not (feature or site.profile.name != DEFAULT):
            if site.profile.name == DEFAULT and MISSING_ON_FRESH_IIS.get(module):
                yield finding(
                    "config-feature",
                    section.span,
                    element=name.rpartition("/")[2],
                    module=module,
                    feature=MISSING_ON_FRESH_IIS[module],
                )
        else:
            yield finding(
                "config-absent-module/feature" if feature else "config-absent-module/none",
                section.span,
                element=name.rpartition("/")[2],
                module=module,
                profile=site.profile.name,
                feature=feature,
            )


def _acts(section: Node) -> bool:
    """Whether a section would do something: most have a switch for that."""
    return "enabled" not in section.schema.attributes or section.flag("enabled")
