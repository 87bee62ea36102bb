"""Formats with a request a line and no head: NCSA (common and combined) and IIS's own."""

from __future__ import annotations

import re

from .entry import Columns, NotARequest, clean

#: ``client - user [date] "METHOD target HTTP/x" status bytes``, and Apache's referer and agent.
_NCSA = re.compile(
    r'(?P<client>\S+) \S+ .+? \[[^\]]*\] "(?P<request>.*?)" (?P<status>\d{3}|-) (?:\d+|-)'
    r'(?: "(?P<referer>[^"]*)" "(?P<agent>(?:[^"\\]|\\.)*)")?(?: .*)?'
)
#: client, user, date, time, service, server, address, time taken, received, sent, status, win32.
_IIS = re.compile(
    r"(?P<client>[^,]*), [^,]*, [\d./-]+, [\d:]+, [^,]*, [^,]*, [^,]*, \d+, \d+, \d+, "
    r"(?P<status>\d+), \d+, (?P<method>[^,]+), (?P<target>.*), (?P<parameters>\S*?),?"
)


def ncsa(line: str) -> Columns:
    """A line of the NCSA format. Raises NotARequest."""
    found = _NCSA.fullmatch(line)
    if found is None:
        raise NotARequest("it is not a line of the NCSA format")
    method, _, rest = found["request"].partition(" ")
    target, _, protocol = rest.rpartition(" ")
    if not protocol.startswith("HTTP/"):
        target = rest
    stem, _, query = target.partition("?")
    referer, agent = found["referer"] or "", found["agent"] or ""
    return Columns(
        method,
        clean(stem),
        clean(query),
        referer=clean(referer),
        agent=clean(agent),
        client=found["client"],
        status=found["status"],
    )


def iis(line: str) -> Columns:
    """A line of IIS's own format. Raises NotARequest."""
    found = _IIS.fullmatch(line.rstrip())
    if found is None:
        raise NotARequest("it is not a line of the IIS format")
    return Columns(
        found["method"],
        clean(found["target"]),
        clean(found["parameters"]),
        client=found["client"],
        status=found["status"],
    )
