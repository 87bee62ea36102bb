"""Transform files beside web.config, tried on it: locators that match nothing, a namespace that the
engine does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from .. import catalogue
from ..app_service.versioned_configs import versioned_configs
from ..config.diagnostics import Finding, Span
from ..config.xdt.chain import names_beside, read
from ..config.xdt.findings import is_transform, trial
from ..files import find
from ..site import Site


def findings(site: Site) -> Iterator[Finding]:
    """What each transform file in the site's folder says of web.config as it is; those that are
    applied already have said it.
    """
    if site.host_transforms is not None:
        yield from site.host_transforms.findings
    base = find(site.path, "web.config")
    if base is None:
        return
    try:
        data = read(base)
    except OSError:
        return
    versions = set(versioned_configs(site.path).values())
    for name in names_beside(site.path):
        file = find(site.path, f"web.{name}.config")
        if file is None or file in versions or file.absolute() in site.tree.transforms:
            continue
        yield from trial(data, base.name, file, file.name)
        if name.lower() == "release" and not site.tree.transforms and _transforms(file):
            yield catalogue.finding(
                "xdt-not-applied",
                Span(file.name, 1, 1),
                base=base.name,
                file=file.name,
                command=f"fcgiemu check {quote(str(site.path))} --transform {name}",
                hresult=0,
            )


def _transforms(file: Path) -> bool:
    try:
        return is_transform(read(file))
    except OSError:
        return False
