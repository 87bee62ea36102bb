"""Attribute texts -> typed values, with the messages IIS gives for what does not fit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache

from .schema import Attribute

Value = str | bool | int | timedelta | frozenset[str] | None


class BadValue(ValueError):
    """The text does not fit the attribute's type; the message is IIS's."""


class OddCase(Exception):
    """The value is right but for its case: ``value`` is what was meant, ``text`` the way to write
    it.
    """

    def __init__(self, value: Value, text: str) -> None:
        super().__init__(text)
        self.value = value
        self.text = text


def parse(attribute: Attribute, text: str) -> Value:
    """``text`` as the attribute's type wants it. Raises BadValue, or OddCase for a wrong case of a
    known name.
    """
    if attribute.type == "string":
        return _string(attribute, text)
    if attribute.type == "bool":
        return _bool(text)
    if attribute.type == "enum":
        return _enum(attribute, text)
    if attribute.type == "flags":
        return _flags(attribute, text)
    if attribute.type == "timeSpan":
        return _time_span(attribute, text)
    return _integer(attribute, text)


@cache
def default(attribute: Attribute) -> Value:
    """The schema's default; the neutral value of the type where it has none."""
    if attribute.default is not None:
        return parse(attribute, attribute.default)
    neutral: dict[str, Value] = {"string": "", "bool": False, "flags": frozenset()}
    return neutral.get(attribute.type)


def expand(text: str, variables: Mapping[str, str] = os.environ) -> str:
    """``%NAME%`` replaced as Windows does: any case, unknown names stay as they are.
    ``variables`` are those of the process.
    """
    return re.sub(r"%([^%=]+)%", lambda match: _variable(match[1], variables) or match[0], text)


#: Variables of the emulated server, which come before those of this machine.
_WINDOWS = {
    "home": "D:\\home",
    "systemdrive": "C:",
    "windir": "C:\\Windows",
    "systemroot": "C:\\Windows",
    "programfiles": "C:\\Program Files",
    "iis_bin": "C:\\Windows\\System32\\inetsrv",
}


def _variable(name: str, variables: Mapping[str, str]) -> str | None:
    lower = name.lower()
    return _WINDOWS.get(lower) or next(
        (value for key, value in variables.items() if key.lower() == lower), None
    )


def _whole(attribute: Attribute, text: str) -> str:
    """A time span with its minutes and seconds below 60, in the next multiple of the attribute's
    step, or the longest that can be; "" for a text that is none, or too short.
    """
    match = _TIME_SPAN.fullmatch(text.strip())
    if match is None:
        return ""
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    total += -total % attribute.step
    if attribute.high is not None and total > attribute.high:
        total = attribute.high - attribute.high % attribute.step
    if attribute.low is None or attribute.high is None or attribute.low <= total <= attribute.high:
        hours, rest = divmod(total, 3600)
        day = f"{hours // 24}." if hours >= 24 else ""
        return f"{day}{hours % 24:02}:{rest // 60:02}:{rest % 60:02}"
    return ""


def _string(attribute: Attribute, text: str) -> str:
    if "trimmed" in attribute.words:
        text = text.strip()
    if "nonempty" in attribute.words and not text:
        raise BadValue("String must not be empty")
    return expand(text) if "expanded" in attribute.words else text


#: Other words for values -> these values, of which an attribute has one at most.
_ALSO = {
    "301": "Permanent",
    "moved": "Permanent",
    "302": "Found",
    "303": "SeeOther",
    "307": "Temporary",
    "308": "PermRedirect",
    "yes": "true",
    "enabled": "true",
    "disabled": "false",
    "on": "true Custom",
    "1": "true",
    "no": "false",
    "off": "false Detailed",
    "remoteonly": "DetailedLocalOnly",
    "0": "false",
    "regex": "ECMAScript",
    "exact": "ExactMatch",
    "or": "MatchAny",
    "and": "MatchAll",
    "nocache": "DisableCache",
    "rewrite": "ExecuteURL",
}
_BOOLEANS = ("true", "false")


def meant(attribute: Attribute, text: str) -> str:
    """The value that is near one which an attribute does not take; "" for none."""
    if attribute.type == "timeSpan":
        return _span_meant(attribute, text) or _whole(attribute, text)
    if attribute.type in ("int", "uint", "int64"):
        return _number_meant(attribute, text)
    known = {name.lower(): name for name in attribute.values or _BOOLEANS}
    word = re.sub(r"[\W_]", "", text.lower())
    if attribute.type not in ("enum", "bool") or not word:
        return ""
    for also in _ALSO.get(word, "").lower().split():
        if also in known:
            return known[also]
    begun = [name for low, name in known.items() if low.startswith(word) or word.startswith(low)]
    inside = [name for low, name in known.items() if word in low]
    near = [known[low] for low in get_close_matches(word, known, 1)]
    sure = begun if len(begun) == 1 else inside if len(inside) == 1 and len(word) > 2 else []
    return (sure or near or [""])[0]


#: Seconds of the units in which people write times.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: What "MB" and its like multiply a number of bytes by.
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _span_meant(attribute: Attribute, text: str) -> str:
    """The time span of a bare number, or of one with a unit: a number of an age is one of days, or
    where it is too large for that, as in HTTP, of seconds; that of a timeout one of seconds.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*(s|sec\w*|m|min\w*|h|hours?|d|days?)?\s*", text.lower())
    if found is None:
        return ""
    number = int(found[1])
    is_days = "age" in attribute.name.lower() and number < _UNITS["h"]
    days, rest = divmod(number * _UNITS[(found[2] or ("d" if is_days else "s"))[0]], _UNITS["d"])
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return _whole(attribute, f"{days}.{clock}" if days else clock)


def _number_meant(attribute: Attribute, text: str) -> str:
    """The number of a text with a unit or with signs between its digits, and the largest that can
    be where it is too large.
    """
    found = re.fullmatch(r"\s*([\d,._' ]*\d)\s*(|[kmg])i?(?:b|bytes)?\s*", text.lower())
    if found is None:
        return ""
    number = int(re.sub(r"\D", "", found[1])) * _SIZES[found[2]]
    high = 0xFFFFFFFF if attribute.high is None or attribute.exclude else attribute.high
    if not (found[2] or number > high >= 0xFFFF or not text.strip().isdecimal()):
        return ""
    return str(min(number, high))


def _bool(text: str) -> bool:
    if text in ("true", "false"):
        return text == "true"
    if text.lower() in ("true", "false"):
        raise OddCase(text.lower() == "true", text.lower())
    raise BadValue("Boolean must be either 'true' or 'false'")


def _enum(attribute: Attribute, text: str) -> str:
    if text in attribute.values:
        return text
    for name in attribute.values:
        if name.lower() == text.lower():
            raise OddCase(name, name)
    raise BadValue("Enum must be one of " + ", ".join(attribute.values))


def _flags(attribute: Attribute, text: str) -> frozenset[str]:
    known = {name.lower(): name for name in attribute.values}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if any(name.lower() not in known for name in names):
        raise BadValue("Flags must be some combination of " + ", ".join(attribute.values))
    return frozenset(known[name.lower()] for name in names) - {"None"}


def _integer(attribute: Attribute, text: str) -> int:
    if text.strip().lower() == "infinite":
        return 0xFFFFFFFF
    unsigned = attribute.type == "uint"
    if not re.fullmatch(r"\s*-?[0-9]+\s*", text) or (unsigned and int(text) < 0):
        raise BadValue("Not a valid unsigned integer" if unsigned else "Not a valid integer")
    number = int(text)
    if unsigned and number > 0xFFFFFFFF:
        raise BadValue("Not a valid unsigned integer")
    low, high = attribute.low, attribute.high
    if low is not None and high is not None:
        if attribute.exclude and low <= number <= high:
            raise BadValue(f"Integer value must not be between {low} and {high} inclusive")
        if not attribute.exclude and not low <= number <= high:
            raise BadValue(f"Integer value must be between {low} and {high} inclusive")
    return number


_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d{1,2}):(\d{1,2})(?:\.\d+)?")


def _time_span(attribute: Attribute, text: str) -> timedelta:
    match = _TIME_SPAN.fullmatch(text.strip())
    if not match:
        raise BadValue("Not a valid time span")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if minutes > 59 or seconds > 59:  # measured: requestTimeout="00:60:00" is refused
        raise BadValue("Not a valid time span")
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if (
        attribute.low is not None
        and attribute.high is not None
        and not (attribute.low <= span.total_seconds() <= attribute.high)
    ):
        raise BadValue(
            f"Time span must be between {attribute.low} and {attribute.high} seconds inclusive"
        )
    if span.total_seconds() % attribute.step:
        raise BadValue(f"Time span must be a multiple of {attribute.step} seconds")
    return span
