"""RewriteModule on the way in: globalRules in PRE_BEGIN_REQUEST, rules in BEGIN_REQUEST."""

from __future__ import annotations

from functools import partial

from .. import catalogue
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import Abort, Action, Redirect, Respond
from ..rewrite import targets
from ..rewrite.compiler import InboundRules, inbound
from ..rewrite.inferred_behaviours import POLICY
from ..rewrite.rule import RuleList, Verdict, evaluate
from . import application_request_routing
from .context import Context, Rewritten, SameRequest, Step

MODULE = "RewriteModule"
_REASON = "URL Rewrite Module Error."


def global_rules(effective: Effective) -> Step | None:
    """PRE_BEGIN_REQUEST: globalRules change the URL of the same request. A plan: see context.py."""
    compiled = effective.view(inbound)
    if not compiled.global_rules and not compiled.global_errors:
        return None
    return partial(_run_global, compiled)


def rules(effective: Effective) -> Step | None:
    """BEGIN_REQUEST: the rules of web.config files. A plan: see context.py."""
    compiled = effective.view(inbound)
    if not (compiled.rules or compiled.errors or compiled.warnings):
        return None
    return partial(_run, compiled)


def _run_global(compiled: InboundRules, context: Context) -> Action | SameRequest | None:
    if not context.hosting.settings.rewrite_module:
        return None
    if compiled.global_errors:
        context.findings += compiled.global_errors
        return _error(compiled.global_errors[0], 51)
    before = context.state.path
    action = _evaluate(compiled.global_rules, context, "Global")
    return SameRequest() if action is None and context.state.path != before else action


def _run(compiled: InboundRules, context: Context) -> Action | Rewritten | None:
    if not context.hosting.settings.rewrite_module:
        return None
    context.findings += compiled.warnings
    if compiled.errors:
        context.findings += compiled.errors
        return _error(compiled.errors[0], POLICY.invalid_rules_substatus)
    state = context.state
    before = state.path, state.query, state.rewritten
    action = _evaluate(compiled.rules, context, "Distributed")
    if action is None and before != (state.path, state.query, state.rewritten):
        return Rewritten()
    return action


def _evaluate(rules: RuleList, context: Context, scope: str) -> Action | None:
    state, trace = context.state, context.trace
    if not rules:
        return None
    if trace is not None:
        trace.add("URL_REWRITE_START", RequestURL=state.path, QueryString=state.query, Scope=scope)
    verdict = evaluate(rules, state, context.applied, trace)
    if trace is not None:
        trace.add("URL_REWRITE_END", RequestURL=state.path, QueryString=state.query)
    if verdict is not None:
        return _act(verdict)
    if targets.is_foreign(state.path):
        return application_request_routing.forward(context)
    return None


def _act(verdict: Verdict) -> Action:
    if verdict.kind == "redirect":
        return Redirect(verdict.status, verdict.location)
    if verdict.kind == "abort":
        return Abort()
    if verdict.kind == "custom":
        return Respond(
            verdict.status,
            verdict.substatus,
            verdict.description,
            reason=verdict.reason,
            description=verdict.description,
        )
    finding = catalogue.finding(
        "rewrite-runtime-error",
        verdict.rule.span,
        hresult=verdict.hresult,
        reason=verdict.description,
    )
    return _error(finding, verdict.substatus)


def _error(finding: Finding, substatus: int) -> Respond:
    return Respond(
        500, substatus, finding.message, finding.hresult, reason=_REASON, finding=finding
    )
