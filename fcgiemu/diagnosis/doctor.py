"""A step-by-step look at what an application needs before its Python can answer: ``fcgiemu
doctor``. What configuration and files show is ``check``'s; the rest asks the programs of this
machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from ..applications import Application
from ..catalogue import finding
from ..catalogue.values import Finding
from ..decision import Handler, Respond
from ..http.request import make_request
from ..modules import handlers
from ..site import Site
from . import python
from .check import check
from .steps import Step


def examine(site: Site, application: Application) -> Iterator[Step]:
    """Look at everything that must be right before an application can answer, in the order in which
    IIS needs it.
    """
    found = [known for known in check(site) if _concerns(site, application, known)]
    yield from (Step.of("web.config", known) for known in found)
    file = site.tree.file_of(application.url)
    if any(known.code == "config-missing" for known in found):
        return
    if file is not None:
        broken = any(known.severity == "error" for known in file.findings)
        if broken and file.root is None:
            return
        if not broken:
            yield Step("web.config", "ok", str(application.path / file.name.rpartition("/")[2]))
    chosen: dict[str, Handler] = {}  # the first of each scriptProcessor
    for handler, _ in site.effective(application.url or "/").view(handlers.table).entries:
        if "FastCgiModule" in handler.modules:
            chosen.setdefault(handler.script_processor.lower(), handler)
    if not chosen:
        yield from python.platform(site, application)
    wrong = {str(known.span) for known in found if known.severity != "info"}
    for handler in chosen.values():
        yield from python.fast_cgi(site, application, handler, wrong)
    yield from _first_request(site, application)


def _concerns(site: Site, application: Application, known: Finding) -> bool:
    """Whether a finding is about this application: its file lies in its folder."""
    if known.span is None:
        return not application.url
    folder = "/" + known.span.file.rpartition("/")[0]
    return site.application(folder).url == application.url


def _first_request(site: Site, application: Application) -> Iterator[Step]:
    """What IIS itself answers, before any process is asked: a configuration that is refused, rules
    that cannot be used.
    """
    action = site.decide(make_request(f"{quote(application.url)}/")).action
    if isinstance(action, Respond) and action.status >= 500:
        where = f"{action.finding.span}: " if action.finding is not None else ""
        remedy = action.finding.hint if action.finding is not None else ""
        yield Step.of(
            "request",
            finding(
                "config-request-refused",
                None,
                url=f"{application.url}/",
                status=f"{action.status}.{action.substatus}",
                reason=f"{where}{action.message}",
                remedy=" ".join(action.hints) or remedy,
            ),
        )
