"""What a kind of server does with each section: ``fcgiemu support --profile``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ..config import schema
from ..profiles import Profile
from . import support

#: Section below system.webServer -> the module that it belongs to, where a server may lack that.
MODULES = {
    "applicationInitialization": "ApplicationInitializationModule",
    "caching": "HttpCacheModule",
    "cors": "CorsModule",
    "httpRedirect": "HttpRedirectionModule",
    "security/authentication/basicAuthentication": "BasicAuthenticationModule",
    "security/authentication/digestAuthentication": "DigestAuthenticationModule",
    "security/authentication/windowsAuthentication": "WindowsAuthenticationModule",
    "security/authorization": "UrlAuthorizationModule",
    "security/dynamicIpSecurity": "DynamicIpRestrictionModule",
    "security/ipSecurity": "IpRestrictionModule",
    "tracing/traceFailedRequests": "FailedRequestsTracingModule",
    "webSocket": "WebSocketModule",
}
ACTS = "acts"
NO_EFFECT = "accepted without effect here"
UNKNOWN = "500.19 here"


@dataclass(frozen=True, slots=True)
class SectionOfServer:
    """A section: what it does on a server (ACTS, NO_EFFECT, UNKNOWN), what would change that, and
    the lock; see support.lock.
    """

    section: str
    does: str
    remedy: str
    lock: str


def sections(profile: Profile, modules: frozenset[str] = frozenset()) -> Iterator[SectionOfServer]:
    """Every section, on a server with ``modules`` beside those of the profile."""
    for path, known in schema.sections().items():
        name = path.removeprefix(schema.WEB_SERVER)
        module = MODULES.get(name, "")
        lock = "locked" if path in profile.locked else support.lock(path)
        does, remedy = ACTS if known.support == "emulated" else NO_EFFECT, ""
        if path in schema.EXTENSIONS and module not in modules:
            does, remedy = UNKNOWN, f"{module} is an extension to download (--module {module})"
        elif module in profile.lacking and module not in modules:
            does, remedy = NO_EFFECT, _remedy(module, profile.lacking[module])
        yield SectionOfServer(path, does, remedy, lock)


def _remedy(module: str, feature: str) -> str:
    installed = f"Install-WindowsFeature {feature}; here " if feature else ""
    return f"{module} is not installed ({installed}--module {module})"


def text(profile: Profile, query: str = "") -> str:
    """A line a section; only sections whose path holds ``wanted``."""
    lines = [f"{profile.name}: {profile.description}", ""]
    for entry in sections(profile):
        if query.lower() in entry.section.lower():
            lock = f" [{entry.lock}]" if entry.lock else ""
            remedy = f": {entry.remedy}" if entry.remedy else ""
            lines.append(f"{entry.section}{lock}  {entry.does}{remedy}")
    return "\n".join(lines)


def as_json(profile: Profile) -> list[dict[str, str]]:
    """The sections as JSON objects."""
    return [asdict(entry) for entry in sections(profile)]
