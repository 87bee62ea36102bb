"""Which modules each notification calls, in order, by server.

``profiles.py`` has the orders that decide about requests; here are those of the notifications that
only a trace shows (LOG_REQUEST, END_REQUEST, post-event notifications), and two older servers. All
measured in genuine traces, foreign modules left out; what one server did not show is taken from the
other (inferred, marked).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..profiles import PROFILES, Order

#: Behind a notification's name: its post-event notification.
POST = " (post)"

_ENDING: Order = {
    "AUTHENTICATE_REQUEST" + POST: ("IsapiFilterModule",),
    "RELEASE_REQUEST_STATE": ("StaticCompressionModule",),
    "RELEASE_REQUEST_STATE" + POST: ("DynamicCompressionModule", "RewriteModule"),
    "UPDATE_REQUEST_CACHE": ("AspNetFilterModule",),
    "LOG_REQUEST": ("AspNetFilterModule", "CustomLoggingModule"),
    "END_REQUEST": ("DynamicIpRestrictionModule",),
    "END_REQUEST" + POST: ("ManagedPipelineHandler", "WebSocketModule"),
}

_EXPRESS: Order = {**PROFILES["iis-express-10"].order, **_ENDING}
#: RELEASE_REQUEST_STATE and UPDATE_REQUEST_CACHE of the full IIS: as IIS Express. # inferred
_IIS_10: Order = {
    **PROFILES["iis10-default"].order,
    **_ENDING,
    "LOG_REQUEST": ("AspNetFilterModule",),
}

ORDERS: Mapping[str, Order] = {
    "iis-express-10": _EXPRESS,
    "iis10-default": _IIS_10,
    "azure-windows": _EXPRESS,  # inferred
    "iis-express-8": {
        **_EXPRESS,
        "BEGIN_REQUEST": (
            "IpRestrictionModule",
            "RequestFilteringModule",
            "FailedRequestsTracingModule",
            "RewriteModule",
            "ApplicationInitializationModule",
            "WebSocketModule",
            "ConfigurationValidationModule",
        ),
        "AUTHENTICATE_REQUEST": (
            "IsapiFilterModule",
            "CertificateMappingAuthenticationModule",
            "BasicAuthenticationModule",
            "WindowsAuthenticationModule",
            "IISCertificateMappingAuthenticationModule",
            "AnonymousAuthenticationModule",
        ),
        "SEND_RESPONSE": (
            "WebSocketModule",
            "HttpLoggingModule",
            "IsapiModule",
            "WindowsAuthenticationModule",
            "BasicAuthenticationModule",
            "ProtocolSupportModule",
            "IsapiFilterModule",
            "DynamicCompressionModule",
            "RewriteModule",
            "CustomErrorModule",
            "DynamicIpRestrictionModule",
        ),
    },
    "azure-2012": {
        **_ENDING,
        "PRE_BEGIN_REQUEST": (
            "FailedRequestsTracingModule",
            "RequestMonitorModule",
            "IsapiFilterModule",
            "RewriteModule",
        ),
        "MAP_PATH": ("IsapiFilterModule",),
        "BEGIN_REQUEST": (
            "HttpCacheModule",
            "RequestFilteringModule",
            "FailedRequestsTracingModule",
            "ConfigurationValidationModule",
            "RewriteModule",
        ),
        "AUTHENTICATE_REQUEST": ("IsapiFilterModule", "AnonymousAuthenticationModule"),
        "AUTHORIZE_REQUEST": (),
        "RESOLVE_REQUEST_CACHE": ("HttpCacheModule",),
        "MAP_REQUEST_HANDLER": (
            "ApplicationRequestRouting",
            "StaticCompressionModule",
            "HttpRedirectionModule",
            "ManagedPipelineHandler",
        ),
        "LOG_REQUEST": ("AspNetFilterModule",),
        "END_REQUEST": (),
        "END_REQUEST" + POST: (),
        "SEND_RESPONSE": (
            "HttpLoggingModule",
            "IsapiModule",
            "ProtocolSupportModule",
            "IsapiFilterModule",
            "DynamicCompressionModule",
            "HttpCacheModule",
            "RewriteModule",
            "CustomErrorModule",
        ),
    },
}
