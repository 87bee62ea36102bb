"""Ways of authentication and ``<authorization>`` that together let nobody in, or ask nobody."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.tree import Effective

_GROUP = "system.webServer/security/"
_METHODS = ("windows", "basic", "digest")
#: Methods that need no section of their own to be in use.
_OTHERS = ("clientCertificateMapping", "iisClientCertificateMapping")


def findings(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about what ``file`` says of them."""
    paths = [f"{_GROUP}authentication/{name}Authentication" for name in ("anonymous", *_METHODS)]
    if not any(map(file.by_path.__contains__, (*paths, f"{_GROUP}authorization"))):
        return
    sections = {
        name: effective.section(f"{_GROUP}authentication/{name}Authentication")
        for name in ("anonymous", *_METHODS, *_OTHERS)
    }
    rules = list(effective.section(f"{_GROUP}authorization").items)
    users = [(rule.text("accessType"), rule.text("users").strip()) for rule in rules]
    asks_nobody = ("Allow", "*") in users and ("Deny", "?") not in users
    anonymous = sections["anonymous"]
    enabled = [name for name in (*_METHODS, *_OTHERS) if sections[name].flag("enabled")]
    for name in enabled:
        section = sections[name]
        if section.file is file and anonymous.flag("enabled") and asks_nobody:
            yield finding("auth-anonymous-too", section.span, element=f"{name}Authentication")
    if anonymous.file is file and not anonymous.flag("enabled") and not enabled:
        yield finding("auth-no-method", anonymous.span)
    for rule, who in zip(rules, users, strict=True):
        if rule.file is file and who == ("Deny", "*") and any(one == "Allow" for one, _ in users):
            yield finding("auth-deny-all", rule.span)
