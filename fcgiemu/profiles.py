"""Server profiles: which configuration a server begins with, and in which order its modules work.

A profile is data. ``order`` names the modules of each notification as genuine failed-request traces
show them; modules that fcgiemu does not emulate are named as well, so that a trace can show their
place. ``modules/pipeline.py`` sorts its table of functions by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT = "iis-express-10"
AZURE = "azure-windows"
#: The successor of httpPlatformHandler 1.2, which is registered by the same name.
PLATFORM_2 = "HttpPlatformHandlerV2"

Order = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """``configuration``: the files of fcgiemu.config that the server begins with, the first one
    shown as applicationHost.config. ``order``: notification -> its modules.
    """

    name: str
    configuration: tuple[str, ...]
    order: Order
    #: What the server is, in a few words.
    description: str
    #: Modules that act here and that this server lacks -> the Windows feature that brings them; ""
    #: = none does.
    lacking: Mapping[str, str] = field(default_factory=dict)
    #: Sections locked below applicationHost.config, beside those that every server locks.
    locked: frozenset[str] = frozenset()
    #: Whose traces those of this server look like; "" = its own.
    traced_as: str = ""


#: Measured in 14 traces of IIS Express 10, all alike.
_IIS_EXPRESS_10: Order = {
    "PRE_BEGIN_REQUEST": (
        "CorsModule",  # documented: before the other modules
        "DynamicIpRestrictionModule",
        "FailedRequestsTracingModule",
        "RequestMonitorModule",
        "IsapiFilterModule",
        "RewriteModule",
    ),
    "MAP_PATH": ("IsapiFilterModule",),
    "BEGIN_REQUEST": (
        "IpRestrictionModule",
        "RequestFilteringModule",
        "FailedRequestsTracingModule",
        "RewriteModule",
        "ConfigurationValidationModule",
        "WebSocketModule",
        "ApplicationInitializationModule",
    ),
    "AUTHENTICATE_REQUEST": (
        "IsapiFilterModule",
        "BasicAuthenticationModule",
        "CertificateMappingAuthenticationModule",
        "WindowsAuthenticationModule",
        "IISCertificateMappingAuthenticationModule",
        "AnonymousAuthenticationModule",
    ),
    "AUTHORIZE_REQUEST": ("UrlAuthorizationModule",),
    "MAP_REQUEST_HANDLER": (
        "WebDAVModule",
        "StaticCompressionModule",
        "HttpRedirectionModule",
        "ManagedPipelineHandler",
    ),
    "RELEASE_REQUEST_STATE": ("StaticCompressionModule", "DynamicCompressionModule"),
    "SEND_RESPONSE": (
        "ApplicationInitializationModule",
        "WebSocketModule",
        "WindowsAuthenticationModule",
        "ProtocolSupportModule",
        "DynamicCompressionModule",
        "HttpLoggingModule",
        "IsapiModule",
        "BasicAuthenticationModule",
        "IsapiFilterModule",
        "RewriteModule",
        "CustomErrorModule",
        "DynamicIpRestrictionModule",
    ),
}

#: Measured in traces of the full IIS 10.
_IIS_10: Order = {
    "PRE_BEGIN_REQUEST": (
        "CorsModule",  # documented: before the other modules
        "FailedRequestsTracingModule",
        "DynamicIpRestrictionModule",
        "IsapiFilterModule",
        "RewriteModule",
    ),
    "MAP_PATH": ("IsapiFilterModule",),
    "BEGIN_REQUEST": (
        "HttpCacheModule",
        "RequestFilteringModule",
        "FailedRequestsTracingModule",
        "IpRestrictionModule",
        "WebSocketModule",
        "ConfigurationValidationModule",
        "RewriteModule",
        "ApplicationInitializationModule",
        "ProtocolSupportModule",
    ),
    "AUTHENTICATE_REQUEST": (
        "IsapiFilterModule",
        "BasicAuthenticationModule",
        "WindowsAuthenticationModule",
        "AnonymousAuthenticationModule",
    ),
    "AUTHORIZE_REQUEST": ("UrlAuthorizationModule",),
    "RESOLVE_REQUEST_CACHE": ("HttpCacheModule",),
    "MAP_REQUEST_HANDLER": (
        "WebDAVModule",
        "ApplicationRequestRouting",
        "StaticCompressionModule",
        "HttpRedirectionModule",
        "ManagedPipelineHandler",
    ),
    "RELEASE_REQUEST_STATE": ("StaticCompressionModule", "DynamicCompressionModule"),
    "SEND_RESPONSE": (
        "ApplicationInitializationModule",
        "WebSocketModule",
        "WindowsAuthenticationModule",
        "RequestFilteringModule",
        "ProtocolSupportModule",
        "HttpCacheModule",
        "HttpLoggingModule",
        "IsapiModule",
        "BasicAuthenticationModule",
        "IsapiFilterModule",
        "DynamicCompressionModule",
        "RewriteModule",
        "CustomErrorModule",
        "DynamicIpRestrictionModule",
    ),
}

#: Windows features of modules that a fresh server does not have (documented).
MISSING_ON_FRESH_IIS: Mapping[str, str] = {
    "ApplicationInitializationModule": "Web-AppInit",
    "BasicAuthenticationModule": "Web-Basic-Auth",
    "DigestAuthenticationModule": "Web-Digest-Auth",
    "DynamicCompressionModule": "Web-Dyn-Compression",
    "DynamicIpRestrictionModule": "Web-IP-Security",
    "FailedRequestsTracingModule": "Web-Http-Tracing",
    "HttpRedirectionModule": "Web-Http-Redirect",
    "IpRestrictionModule": "Web-IP-Security",
    "UrlAuthorizationModule": "Web-Url-Auth",
    "WebSocketModule": "Web-WebSockets",
    "WindowsAuthenticationModule": "Web-Windows-Auth",
}

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name=DEFAULT,
            configuration=("iis-express-10.config",),
            order=_IIS_EXPRESS_10,
            description="IIS Express 10",
            lacking={
                "DigestAuthenticationModule": MISSING_ON_FRESH_IIS["DigestAuthenticationModule"],
                "HttpCacheModule": "",
            },
        ),
        Profile(
            name="iis10-default",
            configuration=("iis-express-10.config", "iis10-default.config"),
            order=_IIS_10,
            description="Windows Server with the default features of IIS 10, CGI and URL Rewrite",
            lacking=MISSING_ON_FRESH_IIS,
            locked=frozenset({"system.webServer/handlers", "system.webServer/modules"}),
        ),
        Profile(
            name=AZURE,
            configuration=("iis-express-10.config", "azure.config"),
            order=_IIS_EXPRESS_10,  # inferred: nobody has published Azure's own
            description="App Service for Windows",
            lacking={"DigestAuthenticationModule": "", "WindowsAuthenticationModule": ""},
            traced_as=DEFAULT,
        ),
    )
}
