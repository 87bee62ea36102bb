"""The description of the API (OpenAPI 3.1), which its tests hold against the answers."""

from __future__ import annotations

from typing import Any

from ..version import DOCUMENTATION

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_SUMMARY: dict[str, Schema] = {
    "number": _WHOLE,
    "time": {**_NUMBER, "description": "seconds since 1970"},
    "method": _TEXT,
    "url": _TEXT,
    "status": _or_null(_WHOLE),
    "substatus": _WHOLE,
    "handled_by": _TEXT,
    "handler": _or_null(_TEXT),
    "module": _TEXT,
    "rules": _list(_TEXT),
    "milliseconds": _NUMBER,
    "bytes_sent": _WHOLE,
    "client_gone": _FLAG,
    "remark": _or_null(_TEXT),
    "replay_of": _or_null(_WHOLE),
    "page": {**_or_null(_TEXT), "description": "the page of this site that asked for it (Referer)"},
}
_BODY = _object(
    {
        "bytes": _WHOLE,
        "is_complete": _FLAG,
        "content_type": _TEXT,
        "text": _TEXT,
        "base64": _TEXT,
    },
    ("text", "base64"),
)
_PAIRS = _list(_list(_TEXT))
_DETAILS: dict[str, Schema] = {
    **_SUMMARY,
    "scheme": _TEXT,
    "version": _TEXT,
    "client": _TEXT,
    "path": _TEXT,
    "query": _TEXT,
    "request_headers": _PAIRS,
    "response_headers": _PAIRS,
    "request_body": {"anyOf": [_ref("Body"), {"type": "null"}]},
    "response_body": {"anyOf": [_ref("Body"), {"type": "null"}]},
    "timing": _object(
        {
            "queue": _or_null(_NUMBER),
            "application": _or_null(_NUMBER),
            "sending": _or_null(_NUMBER),
            "total": _NUMBER,
        }
    ),
    "process": _or_null(_WHOLE),
    "output": _list(_TEXT),
    "copies": {"type": "object", "additionalProperties": _TEXT},
}
_FINDING = _object(
    {
        "code": _TEXT,
        "severity": {"type": "string", "enum": ["error", "warning", "info"]},
        "message": _TEXT,
        "file": _or_null(_TEXT),
        "line": _or_null(_WHOLE),
        "column": _or_null(_WHOLE),
        "hint": _TEXT,
    }
)
_EXPLANATION: Schema = {
    "type": "object",
    "description": f"what explain --json answers, with its story: {DOCUMENTATION}explain.md",
    "properties": {
        "request": _object({"method": _TEXT, "url": _TEXT}),
        "outcome": {"type": "object"},
        "rules": _list(_TEXT),
        "server_variables": {"type": "object", "additionalProperties": _TEXT},
        "variables": {"type": "object", "additionalProperties": _TEXT},
        "response": {"type": "object"},
        "findings": _list(_ref("Finding")),
        "events": _list({"type": "object"}),
        "story": _list(_object({"depth": _WHOLE, "role": _TEXT, "text": _TEXT})),
        "pipeline": _list(
            _object({"notification": _TEXT, "modules": _list(_TEXT), "answered": _FLAG})
        ),
        "why": {**_list(_TEXT), "description": "sentences, the decisive one first"},
        "html": {"type": "string", "description": "the story as the pages show it"},
        "is_as_it_was": {
            "type": "boolean",
            "description": "whether the files lead to the same as when the request was answered",
        },
        "copies": {"type": "object", "additionalProperties": _TEXT},
        "error": _TEXT,
    },
    "required": ["request"],
    "additionalProperties": False,
}
_CONDITION = _object(
    {
        "input": _TEXT,
        "match_type": _TEXT,
        "pattern": _TEXT,
        "negate": _FLAG,
        "line": _WHOLE,
        "true": _WHOLE,
        "false": _WHOLE,
    }
)
_RULE = _object(
    {
        "name": _TEXT,
        "file": _TEXT,
        "line": _WHOLE,
        "pattern": _or_null(_TEXT),
        "action": _TEXT,
        "hits": {**_WHOLE, "description": "requests since the start"},
        "last_hit": _or_null(_NUMBER),
        "conditions": _list(_CONDITION),
    }
)
_WORKER = _object(
    {
        "pid": _WHOLE,
        "application": _TEXT,
        "program": _TEXT,
        "state": _TEXT,
        "requests": _WHOLE,
        "age": _or_null(_NUMBER),
        "memory": _or_null(_WHOLE),
        "last_output": _or_null(_TEXT),
    }
)
_CONFIG = _object({"name": _TEXT, "text": _TEXT, "stamp": _TEXT, "is_writable": _FLAG})

_SCHEMAS: dict[str, Schema] = {
    "Summary": _object(_SUMMARY),
    "Details": _object(_DETAILS),
    "Body": _BODY,
    "Finding": _FINDING,
    "Explanation": _EXPLANATION,
    "Rule": _RULE,
    "Worker": _WORKER,
    "Config": _CONFIG,
    "Requests": _object({"total": _WHOLE, "requests": _list(_ref("Summary"))}),
    "Drafts": _object({"before": _list(_ref("Explanation")), "after": _list(_ref("Explanation"))}),
    "Findings": _object({"findings": _list(_ref("Finding")), "diff": _TEXT}, ("diff",)),
    "Match": _object(
        {"matches": _FLAG, "captures": _list(_TEXT), "html": _TEXT, "error": _or_null(_TEXT)}
    ),
    "Rules": _object(
        {
            "rules": _list(_ref("Rule")),
            "files": _list(_object({"name": _TEXT, "text": _or_null(_TEXT)})),
        }
    ),
    "Workers": _object(
        {
            "workers": _list(_ref("Worker")),
            "changes": _list(_object({"time": _NUMBER, "file": _TEXT, "restarted": _FLAG})),
        }
    ),
    "Identity": _object(
        {
            "name": _or_null(_TEXT),
            "roles": _list(_TEXT),
            "people": _list(_object({"name": _TEXT, "roles": _list(_TEXT)})),
            "asks": {**_TEXT, "description": "how the site asks at its root; empty = it does not"},
        }
    ),
    "Headers": _object({"request_headers": _PAIRS, "response_headers": _PAIRS}),
    "Urls": _object({"urls": _list(_TEXT)}),
    "Replayed": _object({"status": _or_null(_WHOLE), "number": _or_null(_WHOLE)}),
    "Restarted": _object({"restarted": _WHOLE}),
    "Error": _object({"error": _TEXT}),
    "Trace": _TEXT,
}


def _operation(
    summary: str,
    answer: str,
    *,
    query: dict[str, str] | None = None,
    path: str = "",
    body: Schema | None = None,
    media_type: str = "application/json",
) -> Schema:
    parameters: list[Schema] = [
        {"name": name, "in": "query", "schema": _TEXT, "description": description}
        for name, description in (query or {}).items()
    ]
    if path:
        parameters.append({"name": path, "in": "path", "required": True, "schema": _WHOLE})
    found: Schema = {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "the answer",
                "content": {media_type: {"schema": _ref(answer)}},
            },
            "default": {
                "description": "what is wrong",
                "content": {"application/json": {"schema": _ref("Error")}},
            },
        },
    }
    if body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": body}},
        }
    return found


_AFTER = {
    "after": "only requests with a higher number",
    "stream": "an event stream (SSE) of Summary, one a request; also by Accept: text/event-stream",
}
_PATHS: Schema = {
    "/requests": {
        "get": _operation("The last requests, the newest first", "Requests", query=_AFTER)
    },
    "/requests/{number}": {"get": _operation("One request", "Details", path="number")},
    "/requests/{number}/headers": {
        "get": _operation(
            "Its headers with all values, secrets among them; only where the address is loopback",
            "Headers",
            path="number",
        )
    },
    "/requests/{number}/freb": {
        "get": _operation(
            "It as a failed-request trace", "Trace", path="number", media_type="text/xml"
        )
    },
    "/explain": {
        "get": _operation(
            "The story of a request that was answered, or of a URL",
            "Explanation",
            query={"request": "its number", "url": "a path or URL", "method": "GET by default"},
        ),
        "post": _operation(
            "URLs as the site is, and with another web.config; nothing is written",
            "Drafts",
            body=_object({"config": _TEXT, "urls": _list(_TEXT)}),
        ),
    },
    "/check": {
        "get": _operation("What check finds", "Findings"),
        "post": _operation(
            "What check finds with another web.config, and how that differs; nothing is written",
            "Findings",
            body=_object({"config": _TEXT}),
        ),
    },
    "/pattern": {
        "post": _operation(
            "A pattern tried on a text",
            "Match",
            body=_object(
                {"pattern": _TEXT, "input": _TEXT, "syntax": _TEXT, "ignore_case": _FLAG},
                ("syntax", "ignore_case"),
            ),
        )
    },
    "/config": {"get": _operation("The root web.config", "Config")},
    "/rules": {"get": _operation("Rules and conditions with their hits", "Rules")},
    "/urls": {"get": _operation("URLs of the site: for each rule, and of files", "Urls")},
    "/workers": {"get": _operation("The worker processes, and changed files", "Workers")},
    "/replay": {
        "post": _operation(
            "Send a request again, as it was or changed",
            "Replayed",
            body=_object(
                {
                    "number": _WHOLE,
                    "method": _TEXT,
                    "url": _TEXT,
                    "headers": _PAIRS,
                    "body": _TEXT,
                },
                ("number", "method", "url", "headers", "body"),
            ),
        )
    },
    "/workers/{pid}/restart": {"post": _operation("Replace a process", "Restarted", path="pid")},
    "/identity": {
        "get": _operation("Who clients are, as with --as", "Identity"),
        "post": _operation(
            "Let clients be somebody else; without a name nobody in particular",
            "Identity",
            body=_object({"name": _TEXT, "roles": _list(_TEXT)}, ("roles",)),
        ),
    },
    "/save": {
        "post": _operation(
            "Save the root web.config (serve --ui-write)",
            "Config",
            body=_object({"text": _TEXT, "stamp": _TEXT}),
        )
    },
}


def document(version: str) -> Schema:
    """The document that openapi.json holds; ``version`` is the program's."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "fcgiemu serve --ui", "version": version},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {"query": []}],
        "paths": _PATHS,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }
