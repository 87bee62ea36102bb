"""Targets of rewrite rules that are not what they seem: the query twice, another host, files given
away by an inverted test, keys that a map never finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.tree import Effective
from ..hosting import Hosting
from ..modules import application_request_routing, iisnode
from ..rewrite import targets
from ..rewrite.compiler import SECTION, inbound
from ..rewrite.rule import Condition, Rule
from . import map_remedies, target_texts
from .rule_kinds import is_left_before, is_universal

#: Inputs of map look-ups that begin with a slash, and those that do not.
_WITH_SLASH = frozenset({"{REQUEST_URI}", "{URL}", "{PATH_INFO}", "{UNENCODED_URL}"})
_WITHOUT_SLASH = frozenset({"{R:0}", "{R:1}"})


def findings(site: Hosting, effective: Effective, rule: Rule) -> Iterator[Finding]:
    """Findings about the target of a rule, and about the maps that it asks."""
    url = _target(rule)
    if rule.action.type in ("Rewrite", "Redirect") and url:
        yield from _query(rule, url, effective.view(iisnode.is_used))
        yield from target_texts.findings(rule, url)
        yield from _host(site, effective, rule, url)
        yield from _place(site, rule, url)
        yield from _files(rule, url)
        yield from _forwarded(rule, url)
        yield from _slash(effective, rule, url)
    yield from _maps(effective, rule, url)


def _target(rule: Rule) -> str:
    return rule.action.url.source if rule.action.url is not None else ""


def _tests(rule: Rule, variable: str) -> list[Condition]:
    return [
        condition
        for condition in rule.conditions
        if condition.input.source.strip().upper() == variable
    ]


def _query(rule: Rule, url: str, to_node: bool) -> Iterator[Finding]:
    """A query that comes twice: in the target, and appended to it. ``to_node`` = behind the rule is
    iisnode, which passes the client's URL on, or a file.
    """
    queries = _tests(rule, "{QUERY_STRING}")
    if not rule.action.append_query_string or any(
        condition.pattern in ("^$", "") and not condition.negate for condition in queries
    ):
        return
    captured = (
        rule.conditions
        and _tests(rule, "{QUERY_STRING}")
        and not rule.conditions[-1].negate
        and rule.conditions[-1].input.source.strip().upper() == "{QUERY_STRING}"
        and re.search(r"\?.*\{C:\d\}", url)
    )
    if re.search(r"\{(?:REQUEST_URI|UNENCODED_URL|HTTP_URL)\}", url) or re.search(
        r"\?.*\{QUERY_STRING\}", url
    ):
        if to_node and rule.action.type == "Rewrite" and "://" not in url:
            return
        if any(_ASKS_FOR_FILE.search(test.input.source) for test in _file_tests(rule)):
            return  # no file has a name with a query: with one the rule is not applied
        yield finding("rewrite-query-twice", rule.span, rule=rule.name, url=url)
    elif target_texts.holds_query(rule, url):
        yield finding("rewrite-query-twice", rule.span, rule=rule.name, url=url)
    elif captured and (rule.action.type == "Redirect" or _repeats(rule, url)):
        yield finding("rewrite-query-twice/captured", rule.span, rule=rule.name, url=url)


#: The URL as the client sent it, with its query, as part of a file's name.
_ASKS_FOR_FILE = re.compile(r"(?i)\{(?:REQUEST_URI|UNENCODED_URL)\}")


def _file_tests(rule: Rule) -> list[Condition]:
    return [
        condition
        for condition in rule.conditions
        if condition.match_type == "IsFile" and not condition.negate and not rule.match_any
    ]


def _repeats(rule: Rule, url: str) -> bool:
    """Whether a value that was taken from the query comes again under its own name: a program sees
    it twice then.
    """
    names = set(re.findall(r"(\w+)=", rule.conditions[-1].pattern or ""))
    return any(name in names for name in re.findall(r"[?&](\w+)=\{C:[1-9]\}", url))


def _place(site: Hosting, rule: Rule, url: str) -> Iterator[Finding]:
    """Targets that lead elsewhere than they seem to: a folder without its slash, to which IIS
    redirects, and HTTPS on the port of HTTP.
    """
    path = url if url.startswith("/") else f"{rule.base}/{url}"
    if rule.action.type == "Rewrite" and re.fullmatch(r"[\w./-]*\w", url):
        found = site.find(path)
        if found is not None and found.is_directory:
            yield finding("rewrite-to-folder", rule.span, rule=rule.name, url=url, meant=f"{url}/")
    if re.match(r"(?i)https://[^/]*:\{SERVER_PORT\}", url) and not _on_https(rule):
        meant = re.sub(r"(?i):\{SERVER_PORT\}", "", url)
        yield finding("rewrite-http-port", rule.span, rule=rule.name, url=url, meant=meant)


def _on_https(rule: Rule) -> bool:
    """Whether a rule is for requests that come by HTTPS already."""
    tests = (
        one for one in _tests(rule, "{HTTPS}") if one.matcher is not None and not rule.match_any
    )
    return any((one.matcher("on") is not None) != one.negate for one in tests if one.matcher)


def _host(site: Hosting, effective: Effective, rule: Rule, url: str) -> Iterator[Finding]:
    """Rewrites to another host, which ARR has to forward."""
    if rule.action.type != "Rewrite" or not targets.is_foreign(url) or _is_farm(effective, url):
        return
    if not application_request_routing.is_enabled(site, effective):
        yield finding("rewrite-needs-proxy", rule.span, rule=rule.name, url=url)
        return
    proxy = effective.view(application_request_routing.compiled)
    if proxy.names_front and not proxy.says_front and _is_first_foreign(effective, rule):
        yield finding("rewrite-front-host", rule.span, rule=rule.name, url=url)


def _is_farm(effective: Effective, url: str) -> bool:
    return application_request_routing.farm_of(effective, url) is not None


def _is_first_foreign(effective: Effective, rule: Rule) -> bool:
    """Whether a rule is the first one of its file that rewrites to another host."""
    return rule.span == next(
        other.span
        for other in effective.view(inbound).rules
        if other.span.file == rule.span.file
        and other.action.type == "Rewrite"
        and targets.is_foreign(_target(other))
    )


def is_inverted(rule: Rule) -> bool:
    """Whether a fallback takes existing files only, because its test lacks negate."""
    tested = [
        condition
        for condition in rule.conditions
        if condition.match_type == "IsFile" and not condition.negate
    ]
    return bool(
        tested
        and not rule.match_any
        and rule.action.type == "Rewrite"
        and rule.action.url is not None
        and "{" not in rule.action.url.source
        and is_universal(rule)
        and tested[0].input.source.strip().upper() == "{REQUEST_FILENAME}"
    )


def _only_folders(rule: Rule) -> Condition | None:
    """The test for folders of a rule that leaves out files as well, where it lacks negate."""
    tests = {one.match_type: one for one in rule.conditions if one.match_type != "Pattern"}
    file, folder = tests.get("IsFile"), tests.get("IsDirectory")
    is_meant = file is not None and file.negate and rule.action.type == "Rewrite"
    return folder if is_meant and folder and not folder.negate and not rule.match_any else None


def _files(rule: Rule, url: str) -> Iterator[Finding]:
    if is_inverted(rule):
        yield finding("rewrite-inverted-test", rule.span, rule=rule.name, url=url)
    if (test := _only_folders(rule)) and "{" not in url and is_universal(rule):
        yield finding("rewrite-inverted-test/folder", test.span, rule=rule.name, url=url)
    for condition in rule.conditions if not rule.match_any else ():
        tested = re.fullmatch(r"(?i)\{REQUEST_FILENAME\}(\.\w+)", condition.input.source.strip())
        is_negated = condition.match_type == "IsFile" and condition.negate
        if tested and is_negated and re.fullmatch(rf"/?\{{R:[01]\}}{re.escape(tested[1])}", url):
            yield finding(
                "rewrite-inverted-test/page",
                condition.span,
                rule=rule.name,
                url=url,
                tested=tested[0],
            )


def _forwarded(rule: Rule, url: str) -> Iterator[Finding]:
    """A redirect to the same host that looks at the header of a proxy alone, or at it or the
    scheme, and holds without one.
    """
    if (
        rule.action.type == "Redirect"
        and re.match(r"(?i)https?://\{(?:http_host|server_name)\}", url)
        and any(
            condition.matcher and (condition.matcher("") is not None) != condition.negate
            for condition in _tests(rule, "{HTTP_X_FORWARDED_PROTO}")
        )
        and not _tests(rule, "{SERVER_PORT_SECURE}")
    ):
        if not _tests(rule, "{HTTPS}"):
            yield finding("redirect-proxy-header", rule.span, rule=rule.name)
        elif rule.match_any and url.lower().startswith("https") and is_universal(rule):
            yield finding(
                "redirect-proxy-header/any", rule.span, severity="warning", rule=rule.name
            )


def _slash(effective: Effective, rule: Rule, url: str) -> Iterator[Finding]:
    """A redirect that removes the slash which IIS adds to the URL of a folder."""
    removes = rule.action.type == "Redirect" and re.fullmatch(
        r"\^?\((?:\.\*|\.\+)\)/\$", rule.pattern or ""
    )
    is_tested = any(condition.match_type == "IsDirectory" for condition in rule.conditions)
    if (
        removes
        and not is_tested
        and re.fullmatch(r"(?:https?://[^/]+)?/?\{R:1\}", url)
        and not is_left_before(rule, effective.view(inbound).rules, "IsDirectory")
    ):
        form = "/any" if rule.match_any else ""
        yield finding(f"redirect-folder-slash{form}", rule.span, rule=rule.name)


# -- maps ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """What the keys of a map have in common."""

    first: str
    any_slash: bool
    all_slash: bool
    any_query: bool
    all_query: bool
    #: Whether every key holds what no host name does.
    all_urls: bool
    #: Whether every key is an address with its host.
    all_absolute: bool
    #: Whether every key begins with a question mark.
    all_marks: bool
    #: Whether case counts and every key holds a capital.
    all_capitals: bool
    #: The first names of the paths that keys are, in lower case.
    folders: frozenset[str]
    #: The first key with an encoded character, or "".
    encoded: str
    #: Whether it has a value for what is not a key.
    has_default: bool


def _is_encoded_alone(keys: frozenset[str], key: str) -> bool:
    """Whether a key is encoded, and not among ``keys`` in the other form as well."""
    return re.search("%[0-9A-Fa-f]{2}", key) is not None and unquote(key) not in keys


def _keys(effective: Effective) -> dict[str, _Keys]:
    """The maps of a configuration that have keys, by name. A view: see Effective.view."""
    found = {}
    for node in effective.section(SECTION + "/rewriteMaps").items:
        keys = [item.text("key") for item in node.items]
        if keys:
            slashes = [key.startswith("/") for key in keys]
            queries = ["?" in key for key in keys]
            found[node.text("name").lower()] = _Keys(
                first=keys[0],
                any_slash=any(slashes),
                all_slash=all(slashes),
                any_query=any(queries),
                all_query=all(queries),
                all_urls=all("/" in key for key in keys),
                all_absolute=all(re.match(r"(?i)(?:https?:)?//|www\.", key) for key in keys),
                all_marks=all(key.startswith("?") for key in keys),
                all_capitals=not node.flag("ignoreCase")
                and all(key != key.lower() for key in keys),
                folders=frozenset(key.lower().strip("/").partition("/")[0] for key in keys),
                has_default=bool(node.text("defaultValue")),
                encoded=next(filter(partial(_is_encoded_alone, frozenset(keys)), keys), ""),
            )
    return found


def _maps(effective: Effective, rule: Rule, url: str) -> Iterator[Finding]:
    texts = [(condition.input.source, condition.span) for condition in rule.conditions]
    known = effective.view(_keys)
    asked = _ASKED.fullmatch(url.strip()) if known and is_universal(rule) else None
    if asked and not any(f"{{{asked[1]}:".lower() in text.lower() for text, _ in texts):
        if (keys := known.get(asked[1].lower())) is not None and not keys.has_default:
            yield finding(
                "rewrite-map-unasked", rule.span, rule=rule.name, map=asked[1], asked=url.strip()
            )
    for text, span in [*texts, (url, rule.span)] if known else ():
        yield from _look_up(rule, text, span, known)


#: A target that is all what a map says.
_ASKED = re.compile(r"\{([\w .-]+):\{[\w:]+\}\}")
_LOOK_UP = re.compile(r"\{([\w .-]+):(/?)(?:\{(ToLower|UrlEncode|UrlDecode):)?\{([\w:]+)\}")

#: A look-up with the query twice: {REQUEST_URI} holds it.
_TWICE = re.compile(r"(?i)\{([\w .-]+):\{(?:REQUEST_URI|UNENCODED_URL)\}\?\{QUERY_STRING\}\}")


def _look_up(rule: Rule, text: str, span: Span, known: Mapping[str, _Keys]) -> Iterator[Finding]:
    for name in _TWICE.findall(text):
        old = re.search(rf"(?i)\{{{re.escape(name)}:\{{\w+\}}\?\{{QUERY_STRING\}}\}}", text)
        meant = map_remedies.written(
            rule, text, old[0] if old else "", f"{{{name}:{{REQUEST_URI}}}}"
        )
        yield finding("rewrite-map-keys/twice", span, rule=rule.name, map=name, meant=meant)
    for name, slash, function, asked in _LOOK_UP.findall(text):
        keys, argument = known.get(name.lower()), f"{{{asked.upper()}}}"
        if keys is None:
            continue
        if argument == "{REQUEST_URI}" and keys.any_slash and not keys.any_query:
            severity = "warning" if rule.action.type == "Rewrite" else ""
            meant = map_remedies.written(rule, text, argument, "{URL}")
            yield finding(
                "rewrite-map-query",
                span,
                severity=severity,
                rule=rule.name,
                map=name,
                meant=meant,
            )
        if form := _misfit(keys, slash + argument, function) or _of_folder(keys, rule, argument):
            key = keys.encoded if form == "encoded" else keys.first
            meant = map_remedies.asked(rule, form, argument, key)
            if meant:
                outer = f"{slash}{{{function}:{argument}}}" if form == "function" else argument
                meant = map_remedies.written(rule, text, outer, meant)
            else:
                meant = map_remedies.meant_key(form, key)
                form = "bare" if form == "slash" else form
            yield finding(
                f"rewrite-map-keys/{form}",
                span,
                rule=rule.name,
                map=name,
                argument=slash + argument,
                key=key,
                meant=meant,
            )


def _of_folder(keys: _Keys, rule: Rule, argument: str) -> str:
    """The form of a look-up of the whole path in a folder's own file whose keys count from there;
    "" for another one.
    """
    counts_from_root = argument in _WITH_SLASH and keys.all_slash and is_universal(rule)
    first = rule.base.lower().strip("/").partition("/")[0]
    return "folder" if rule.base and counts_from_root and first not in keys.folders else ""


def _misfit(keys: _Keys, argument: str, function: str) -> str:
    """The form of ``rewrite-map-keys`` that a look-up is; "" for one that can find a key."""
    bare = argument.lstrip("/")
    is_path = bare in _WITH_SLASH | _WITHOUT_SLASH
    begins = argument.startswith("/") or argument in _WITH_SLASH
    if function == "UrlEncode":
        return "function" if is_path and keys.all_slash else ""
    if function == "ToLower" and keys.all_capitals:
        return "case"
    if bare == "{HTTP_HOST}":
        return "host" if keys.all_urls else ""
    if bare == "{QUERY_STRING}":
        return "mark" if keys.all_marks else ""
    if not is_path:
        return ""
    if keys.all_absolute:
        return "absolute"
    if begins and not keys.any_slash:
        return "slash"
    if not begins and keys.all_slash:
        return "no-slash"
    if bare not in ("{REQUEST_URI}", "{UNENCODED_URL}"):
        return "query" if keys.all_query else "encoded" if keys.encoded else ""
    return ""
