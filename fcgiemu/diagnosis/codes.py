"""The codes of ``fcgiemu check`` with their severities. Each has its section in docs/check.md."""

from __future__ import annotations

from ..config.diagnostics import Finding, Span

#: Code -> severity of the findings that this package makes; those of the configuration reader bring
#: their own.
SEVERITY = {
    "rewrite-leading-slash": "warning",
    "rewrite-literal-condition": "warning",
    "rewrite-never-reached": "warning",
    "rewrite-query-in-pattern": "warning",
    "rewrite-bad-reference": "error",
    "rewrite-variable-not-allowed": "info",
    "rewrite-wildcard-as-regex": "warning",
    "rewrite-catch-all": "info",
    "rewrite-hides-file": "warning",
    "redirect-loop": "error",
    "redirect-chain": "info",
    "handler-never-reached": "warning",
    "handler-unknown-module": "error",
    "handler-placeholder": "error",
    "settings-key": "error",
    "settings-missing-file": "warning",
    "settings-missing-module": "warning",
    "settings-unexpanded-variable": "warning",
    "settings-pythonpath-blank": "warning",
    "settings-handler-name": "warning",
    "settings-secret": "warning",
}


def finding(code: str, message: str, span: Span, hint: str) -> Finding:
    """A finding of this package."""
    return Finding(code, SEVERITY[code], message, span, hint, hresult=0)
