"""Transform files beside web.config, tried on it: locators that match nothing, a namespace that the
engine does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from .. import catalogue
from ..app_service.versioned_configs import versioned_configs
from ..catalogue.findings import Finding, Span
from ..config.xdt import application_host
from ..config.xdt.chain import names_beside, read
from ..config.xdt.findings import is_transform, trial
from ..files import find
from ..site import Site


def findings(site: Site) -> Iterator[Finding]:
    """What each transform file in the site's folder says of the file that it is for; those that are
    applied already have said it.
    """
    if site.host_transforms is not None:
        yield from site.host_transforms.findings
    yield from _of_host(site)
    base = _content(find(site.path, "web.config"))
    if base is None:
        return
    versions = set(versioned_configs(site.path).values())
    for name in names_beside(site.path):
        file = find(site.path, f"web.{name}.config")
        changes = _content(file)
        if file is None or changes is None or file in versions:
            continue
        if file.absolute() in site.tree.transforms:
            continue
        yield from trial(base, "web.config", changes, file.name)
        if name.lower() == "release" and not site.tree.transforms and is_transform(changes):
            yield catalogue.finding(
                "xdt-not-applied",
                Span(file.name, 1, 1),
                base="web.config",
                file=file.name,
                command=f"fcgiemu check {quote(str(site.path))} --transform {name}",
                hresult=0,
            )


def _of_host(site: Site) -> Iterator[Finding]:
    """What an applicationHost.xdt in the site's folder, from where a deployment may take it to
    ``site``, says of a configuration like the platform's.
    """
    file = find(site.path, application_host.NAME_OF_TRANSFORM)
    changes = _content(file)
    if file is not None and changes is not None:
        ready = application_host.ready(changes, site.azure_name)
        yield from trial(site.model_of_platform(), application_host.NAME, ready, file.name)


def _content(file: Path | None) -> bytes | None:
    try:
        return None if file is None else read(file)
    except OSError:
        return None
