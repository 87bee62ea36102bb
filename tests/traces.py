"""Made-up failed-request traces, in the shapes that genuine ones of IIS have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fcgiemu.freb import model, writer
from fcgiemu.freb.model import FrebEvent, FrebTrace, event

ACTIVITY = "{80000041-0002-FA00-B63F-84710C7967BB}"
TIME = "2026-03-01T10:20:30.{:03}Z"
#: Notifications by number, as NOTIFY_ events name them.
BEGIN, AUTHENTICATE, AUTHORIZE, MAP, EXECUTE = "1", "2", "4", "16", "128"
LOG, END, SEND, MAP_PATH = "1024", "2048", "536870912", "2147483648"
MODULES = "StaticFileModule,DefaultDocumentModule,DirectoryListingModule"
REQUEST_HEADERS = (
    "Connection: close\r\nAccept: */*\r\nCookie: session=very-secret-value; theme=dark\r\n"
    "Host: www.garden.example\r\nUser-Agent: Probe/1\r\n"
)


def of(events: Iterable[FrebEvent], source: str = "fr000001.xml", **attributes: str) -> FrebTrace:
    """A trace of events; keywords replace attributes of its root, None leaves one out."""
    root = {
        "url": "https://www.garden.example:443/tulips.html",
        "siteId": "3",
        "appPoolId": "garden",
        "processId": "4711",
        "verb": "GET",
        "remoteUserName": "",
        "userName": "",
        "tokenUserName": "HOST\\web",
        "authenticationType": "anonymous",
        "activityId": ACTIVITY,
        "failureReason": "STATUS_CODE",
        "statusCode": "404",
        "triggerStatusCode": "404",
        "timeTaken": "16",
        **attributes,
    }
    placed = writer.placed(list(events), process="4711", thread="9000", computer="HOST")
    return FrebTrace(tuple(root.items()), placed, source)


def module(
    name: str, notification: str, *inside: FrebEvent, post: bool = False, status: str = "0"
) -> list[FrebEvent]:
    """A module's notification and what happens in it."""
    flag = "true" if post else "false"
    return [
        at("NOTIFY_MODULE_START", name, notification, flag),
        *inside,
        at("NOTIFY_MODULE_END", name, notification, flag, status),
    ]


def at(name: str, *values: str, milliseconds: int = 0) -> FrebEvent:
    """An event of the made-up request."""
    return event(name, *values, context=ACTIVITY, time=TIME.format(milliseconds))


def start(url: str = "https://www.garden.example:443/tulips.html") -> list[FrebEvent]:
    """The beginning of a request up to its handler."""
    return [
        at("GENERAL_REQUEST_START", "3", "garden", "1610612741", "0", url, "GET"),
        at("PRE_BEGIN_REQUEST_START", "RewriteModule"),
        at("PRE_BEGIN_REQUEST_END", "RewriteModule", "0"),
        at("GENERAL_ENDPOINT_INFORMATION", "192.0.2.7", "50123", "192.0.2.8", "443"),
        at("GENERAL_REQUEST_HEADERS", REQUEST_HEADERS),
        at("URL_CACHE_ACCESS_START", "/tulips.html"),
        at("URL_CACHE_ACCESS_END", "", "false", "true", "0"),
        at("GENERAL_GET_URL_METADATA", "", "513"),
        at("HANDLER_CHANGED", "", "StaticFile", MODULES, "", ""),
    ]


def rewriting() -> list[FrebEvent]:
    """A distributed rule that is tried and does not apply."""
    rule = "to https"
    return [
        at("URL_REWRITE_START", "/tulips.html", "1", "0"),
        at("RULE_EVALUATION_START", rule, "tulips.html", "", "1", "true", "/"),
        at("PATTERN_MATCH", "*", "tulips.html", "false", "true"),
        at("CONDITIONS_EVALUATION_START", "0"),
        at("CONDITION_EVALUATION", "{HTTPS}", "on", "0", "OFF", "false", "false"),
        at("CONDITION_EVALUATION", "{HTTP_COOKIE}", "session=x", "0", "x", "false", "false"),
        at("CONDITIONS_EVALUATION_END", "false"),
        at("RULE_EVALUATION_END", rule, "tulips.html", "", "true", "false"),
        at("URL_REWRITE_END", ""),
    ]


def missing() -> FrebTrace:
    """A 404 for a file that does not exist, with the one-line body."""
    return of(
        [
            *start(),
            *module("RequestFilteringModule", BEGIN),
            *module("RewriteModule", BEGIN, *rewriting()),
            at("FILE_CACHE_ACCESS_START", r"D:\sites\garden\tulips.html", "web", "HOST"),
            at("FILE_CACHE_ACCESS_END", *["false"] * 3, "true", "true", "2147942402", ""),
            *module("HttpRedirectionModule", MAP),
            at(
                "MODULE_SET_RESPONSE_ERROR_STATUS",
                *("IIS Web Core", MAP, "404", "Not Found", "0", "2147942402", ""),
            ),
            *module(
                "ProtocolSupportModule",
                SEND,
                at("GENERAL_SET_RESPONSE_HEADER", "X-Powered-By", "ASP.NET", "false"),
            ),
            *module("CustomErrorModule", SEND, at("GENERAL_SEND_CUSTOM_ERROR", "404", "0", "")),
            at("HTTPSYS_CACHEABLE", "false", "21", "0", "0"),
            at("GENERAL_FLUSH_RESPONSE_START"),
            at(
                "GENERAL_RESPONSE_HEADERS",
                "Content-Type: text/html\r\nServer: Microsoft-IIS/10.0\r\nX-Powered-By: ASP.NET\r\n",
            ),
            at("GENERAL_RESPONSE_ENTITY_BUFFER", 'It has been removed & "renamed".'),
            at("GENERAL_FLUSH_RESPONSE_END", "286", "0", milliseconds=16),
            at("GENERAL_REQUEST_END", "286", "176", "404", "0", milliseconds=16),
        ]
    )


def late() -> FrebTrace:
    """A trace that begins late, of a request nobody has been authenticated for."""
    whole = missing()
    names = ("remoteUserName", "userName", "tokenUserName")
    attributes = [pair for pair in whole.attributes if pair[0] not in names]
    attributes = [
        (name, "NOT_AVAILABLE" if name == "authenticationType" else value)
        for name, value in attributes
    ]
    return replace(whole, attributes=tuple(attributes), events=whole.events[10:])


def cut() -> FrebTrace:
    """A trace that IIS has cut off at its largest size."""
    whole = missing()
    return replace(whole, events=(*whole.events[:12], at("LOG_FILE_MAX_SIZE_TRUNCATE")))


def managed() -> FrebTrace:
    """A trace with events of both providers."""
    whole = missing()
    more = [
        event("AspNetStart", "GET", "/tulips.html", "", context=ACTIVITY, time=TIME.format(0)),
        event("AspNetPipelineEnter", "Garden.Module", context=ACTIVITY, time=TIME.format(0)),
        event("AspNetPipelineLeave", "Garden.Module", context=ACTIVITY, time=TIME.format(0)),
    ]
    inside = module("ManagedPipelineHandler", END, *more, post=True)
    return replace(whole, events=(*whole.events[:-1], *inside, whole.events[-1]))


def foreign() -> FrebTrace:
    """A trace with an event that no table knows."""
    unknown = model.FrebEvent(
        name="GARDEN_EVENT",
        data=(("Flower", "tulip"),),
        level=2,
        opcode=77,
        keywords="0x8000",
        keyword_names=("Garden",),
        task="{11111111-2222-3333-4444-555555555555}",
    )
    whole = missing()
    return replace(whole, events=(*whole.events[:9], unknown, *whole.events[9:]))
