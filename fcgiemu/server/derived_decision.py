"""A decision for one target, made from that for another.

Another target has the same decision, but for the target, where nothing that made it looks at it.
A schedule knows of queries (``sees_query``): mostly nobody looks at them where there are no rules.
Another path must have the same configuration and application, and be taken as a whole by the same
handler, which asks for no file. Request filtering is asked again in any case. With the same path,
the FastCGI parameters are made from a template.
"""

from __future__ import annotations

from typing import TypeVar

from ..decision import CallFastCgi, Decision
from ..http.framing import RequestHead
from ..http.url import UrlRefused, canonicalize
from ..modules.handlers import table
from ..modules.pipeline import schedule
from ..modules.request_filtering import request_filter
from ..site import Site
from .remembered_decision import RememberedDecision

T = TypeVar("T")


def holds_for_any_query(site: Site, decision: Decision) -> bool:
    """Whether nothing that influenced a decision looked at the query, but request filtering."""
    return (
        isinstance(decision.action, CallFastCgi)
        and decision.path == decision.request.target.path
        and not decision.rewrite.shows_original
        and not decision.effective.view(schedule(site.profile.name)).sees_query
    )


def holds_for_any_path(decision: Decision) -> bool:
    """Whether a decision that holds for any query, and asked for no file, does for other paths of
    its handler: that has taken all of the path, and looks at no file either.
    """
    handler, action = decision.handler, decision.action
    return (
        isinstance(action, CallFastCgi)
        and handler is not None
        and handler.resource_type == "Unspecified"
        and not action.path_info
    )


def with_target(kept: RememberedDecision, head: RequestHead) -> RememberedDecision | None:
    """What holds for any query, or any path, for the target of ``head``; None where that has to be
    decided.
    """
    decision = kept.decision
    action, effective, method = decision.action, decision.effective, decision.request.method
    assert isinstance(action, CallFastCgi)
    try:
        target = canonicalize(head.target.decode("ascii"))
    except UrlRefused:
        return None
    path, query = target.path, target.query
    rewrite = _changed(decision.rewrite, query=query)
    if path != decision.path:
        if not kept.any_path or not _has_same_place(decision, path):
            return None
        if effective.view(table).choose(path, method, None) != (decision.handler, len(path)):
            return None
        action = CallFastCgi(action.handler, path, "")
        rewrite.path = path
    request = _changed(decision.request, target=target)
    if effective.view(request_filter).refusal(request, path, query, original=True) is not None:
        return None
    new = _changed(
        decision, action=action, request=request, path=path, query=query, rewrite=rewrite
    )
    template = kept.template if action is decision.action else None
    return RememberedDecision(
        head=head,
        decision=new,
        epoch=kept.epoch,
        answers=kept.answers,
        folders=kept.folders,
        any_query=template is None,
        template=template,
    )


def _has_same_place(decision: Decision, path: str) -> bool:
    """Whether a path has the configuration and the application of a decision's."""
    site = decision.site
    return site.effective(path) is decision.effective and site.application(
        path
    ) is site.application(decision.path)


def _changed(record: T, **changes: object) -> T:
    """As dataclasses.replace, at a third of the cost."""
    made = object.__new__(type(record))
    for name in record.__slots__:  # type: ignore[attr-defined]
        setattr(made, name, changes[name] if name in changes else getattr(record, name))
    return made
