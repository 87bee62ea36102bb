"""Records with names: what Azure Monitor keeps of App Service, Front Door and Application Gateway.

A record is a JSON object of a storage account or an Event Hub (its ``properties`` an object, or a
text that holds one), a row of a Log Analytics export, or a line of CSV. Names are compared without
case and without the suffixes ``_s`` and ``_d`` of the table AzureDiagnostics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .entry import Columns, NotARequest, clean

Record = Mapping[str, Any]
#: A request, how often it was asked, and whether its path is decoded.
Found = tuple[Columns, int, bool]

_SUFFIX = re.compile(r"(_[sdgtb])?( \[[^\]]*\])?$")
#: A count of a query that has summarised its rows.
_WEIGHTS = ("count_", "count", "n")


def folded(name: str) -> str:
    """A column's name as it is compared."""
    return _SUFFIX.sub("", name.strip()).lower() if name.strip() != "count_" else "count_"


def has_requests(names: frozenset[str]) -> bool:
    """Whether records with these (folded) names are requests."""
    return "csuristem" in names or "requesturi" in names or "originalrequesturiwithargs" in names


def requests(record: object) -> Iterator[Found]:
    """The requests of a JSON value. Raises NotARequest."""
    if not isinstance(record, dict):
        raise NotARequest("it is not a JSON object")
    inner = record.get("records")
    if isinstance(inner, list):
        for one in inner:
            yield from requests(one)
        return
    if isinstance(record.get("tables"), list):
        for table in record["tables"]:
            yield from _table(table)
        return
    yield request(_flat(record))


def _table(table: object) -> Iterator[Found]:
    """The answer of Log Analytics' REST interface."""
    if not isinstance(table, dict) or not isinstance(table.get("rows"), list):
        raise NotARequest("a table has no rows")
    columns = table.get("columns")
    names = [
        str(column.get("name", "")) if isinstance(column, dict) else str(column)
        for column in columns or ()
    ]
    for row in table["rows"]:
        if not isinstance(row, list) or len(row) != len(names):
            raise NotARequest("a row has other columns than its table")
        yield request({folded(name): value for name, value in zip(names, row, strict=True)})


def _flat(record: dict[str, Any]) -> Record:
    properties = record.get("properties", record.get("Properties"))
    if isinstance(properties, str):
        try:
            properties = json.loads(properties)
        except ValueError:
            raise NotARequest("its properties are not JSON") from None
    values = properties if isinstance(properties, dict) else record
    return {folded(name): value for name, value in values.items()}


def request(values: Record) -> Found:
    """The request of a record with folded names. Raises NotARequest."""
    weight = next((_number(values[name]) for name in _WEIGHTS if name in values), 1)
    if "csuristem" in values:
        return _app_service(values), weight, True
    uri = _text(values, "requesturi") or _text(values, "originalrequesturiwithargs")
    if not uri:
        raise NotARequest("it has no CsUriStem and no requestUri")
    if "://" in uri:
        return _front_door(values, uri), weight, False
    return _gateway(values, uri), weight, False


def _number(value: object) -> int:
    try:
        number = float(str(value))
    except ValueError:
        number = -0.5
    if not number.is_integer():
        raise NotARequest("its count is not a number")
    if number < 0:
        raise NotARequest("its count is negative")
    return int(number)


def _text(values: Record, *names: str) -> str:
    """The first of these values that says something."""
    for name in names:
        value = values.get(name)
        if value is not None and not isinstance(value, dict | list):
            text = clean(str(value))
            if text not in ("", "-", "N/A"):
                return text
    return ""


def _app_service(values: Record) -> Columns:
    return Columns(
        _text(values, "csmethod"),
        _text(values, "csuristem"),
        _text(values, "csuriquery"),
        _text(values, "cshost"),
        _text(values, "sport"),
        _text(values, "useragent"),
        _text(values, "referer"),
        _text(values, "cookie"),
        _text(values, "cip"),
        _text(values, "scstatus"),
    )


_URL = re.compile(r"(?i)(https?)://(\[[^\]/]*\]|[^/:?]*)(?::(\d+))?([^?]*)(?:\?(.*))?")


def _front_door(values: Record, uri: str) -> Columns:
    """What the site gets: the path of ``originUrl``, where the edge has not answered itself."""
    parsed = _URL.fullmatch(uri)
    origin = _URL.fullmatch(_text(values, "originurl"))
    shown = origin or parsed
    if parsed is None or shown is None:
        raise NotARequest("its requestUri is not a URL")
    scheme = (_text(values, "requestprotocol") or parsed[1]).lower()
    return Columns(
        _text(values, "httpmethod"),
        shown[4] or "/",
        shown[5] or "",
        _text(values, "hostname") or parsed[2],
        "443" if scheme.startswith("https") else "80",
        _text(values, "useragent"),
        _text(values, "referer", "referrer"),
        client=_text(values, "clientip"),
        status=_text(values, "httpstatuscode", "httpstatus"),
    )


def _gateway(values: Record, uri: str) -> Columns:
    """What the site gets: ``requestUri`` and ``host``, after the gateway's own rewrites."""
    stem, _, own = uri.partition("?")
    encrypted = _text(values, "sslenabled").lower() in ("on", "true", "1")
    return Columns(
        _text(values, "httpmethod"),
        stem,
        own or _text(values, "requestquery"),
        _text(values, "host", "originalhost"),
        "443" if encrypted else "80",
        _text(values, "useragent"),
        client=_text(values, "clientip"),
        status=_text(values, "httpstatus", "serverstatus"),
    )
