"""What a person gets who follows a printed remedy to the letter, and nothing but the letter.

A hint is a sentence of a few shapes ("Write pattern="^a$".", "Add <add … /> as a condition."). Each
shape has its function here, which finds the place as a reader does: it is in the element that the
finding is about, and what a message quotes is what is replaced. A remedy of several sentences, or
with a choice, is read up to the first that says something: that has to be the right one.
"""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from fcgiemu.catalogue.findings import Finding, Span
from fcgiemu.diagnosis import fixes
from fcgiemu.site import Site

#: A change of the file: as a fix of the catalogue, and its place.
Change = tuple[str, Span]


@dataclass(slots=True)
class Element:
    """An element of a file."""

    tag: str
    attributes: dict[str, str]
    span: Span
    parent: Element | None
    inside: list[Element] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        """This element and those below it."""
        yield self
        for element in self.inside:
            yield from element.all()

    def around(self) -> Iterator[Element]:
        """The elements around this one, the nearest first."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.around()


def elements(file: str, data: bytes) -> list[Element]:
    """The elements of a file, in its order; none where it is not XML."""
    found: list[Element] = []
    opened: list[Element] = []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        span = Span(file, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)
        element = Element(tag, attributes, span, opened[-1] if opened else None)
        for outer in opened[-1:]:
            outer.inside.append(element)
        opened.append(element)
        found.append(element)

    def end(_tag: str) -> None:
        opened.pop()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        return []
    return found


@dataclass(frozen=True, slots=True)
class Reader:
    """A finding, as its reader sees it beside the file."""

    finding: Finding
    everything: list[Element]
    data: bytes

    @property
    def element(self) -> Element:
        """The element that the finding is about."""
        span = self.finding.span
        if not self.everything:
            raise Unclear("a change of the text")
        found = (one for one in self.everything if one.span == span)
        return next(found, self.everything[0])  # of a file of the site: the whole configuration

    def holder(self, name: str) -> Element:
        """The element that has an attribute, or may have it."""
        near = [*self.element.all(), *self.element.around()]
        known = next((one for one in near if name in one.attributes), None)
        place = _PLACES.get(name)
        return known or next((one for one in near if one.tag == place), self.element)

    def quoted(self) -> tuple[Element, str]:
        """The attribute whose value the message quotes. Raises Unclear where there is none."""
        said = self.finding.message
        for element in [*self.element.all(), *self.element.around()]:
            for name, value in element.attributes.items():
                if name != "name" and value.strip() and f"'{value.strip()}'" in said:
                    return element, name
        for element in self.element.all():
            for name, value in element.attributes.items():
                if name != "name" and value.strip() and value.strip() in said:
                    return element, name
        raise Unclear(said)

    def first(self, tag: str, name: str = "") -> Element:
        """The element of a name that a reader takes: in the one that the finding is about, around
        it, then the first of the file. Raises Unclear where there is none.
        """
        near = [*self.element.all(), *self.element.around(), *self.everything]
        found = next(
            (one for one in near if one.tag == tag and name in ("", one.attributes.get("name"))),
            None,
        )
        if found is None:
            raise Unclear(f"no <{tag}>")
        return found

    def called(self, name: str) -> Element:
        """The rule or handler of a name. Raises Unclear where there is none."""
        for one in self.everything:
            if one.attributes.get("name") == name:
                return one
        raise Unclear(f"nothing is called {name}")


class Unclear(Exception):
    """A remedy that cannot be followed as it is written."""


#: Attributes -> the elements that take them, where the element of the finding does not.
_PLACES = {
    "logicalGrouping": "conditions",
    "trackAllCaptures": "conditions",
    "appendQueryString": "action",
    "redirectType": "action",
    "statusCode": "action",
}


def _value(reader: Reader, text: str) -> list[Change]:
    element, name = reader.quoted()
    return [(f"@{name}={text}", element.span)]


def _writes(reader: Reader, text: str) -> list[Change]:
    """Attributes with the place of each, and elements: ``a="b" in <match> and c="d" in <action>,
    and add <add … /> as a condition``.
    """
    made: list[Change] = []
    while part := _PART.match(text):
        if part["element"]:
            made += (
                _condition(reader, part["element"])
                if part["kind"]
                else _into(reader, part["element"], f"<{part['into']}> in <{part['outer']}>")
            )
        else:
            made += _attributes(reader, part["attributes"], part["place"] or "")
        text = text[part.end() :]
    return made


#: A part of what is to be written.
_PART = re.compile(
    r"(?:,? and |, |Write )*(?:(?P<attributes>[\w.]+=\"[^\"]*\"(?: [\w.]+=\"[^\"]*\")*)"
    r"(?: in (?P<place>the condition <add .*?>|<[\w.]+(?: name=\"[^\"]*\")?>(?: of <[\w.]+>)*"
    r"|(?:rule|the handler) '.*?'(?= |[.,:]|$)|the handler(?=[.,])|this <add>))?"
    r"|add (?P<element><add .*?/>) (?:as a (?P<kind>condition)|to <(?P<into>[\w.]+)> (?:in|of) <(?P<outer>[\w.]+)>))"
)


def _attributes(reader: Reader, text: str, place: str) -> list[Change]:
    if place.startswith("<"):
        tag, name = re.findall(r'<([\w.]+)(?: name="([^"]*)")?', place)[0]
        if " of <" in place and tag not in {one.tag for one in _near(reader)}:
            return _into(reader, f"<{tag} {text} />", place.partition(" of ")[2])
        element = reader.first(tag, html.unescape(name))
    elif called := re.search(r"(?:rule|handler) '(.*)'", place):
        element = reader.called(called[1])
    elif place == "the handler":
        element = next(one for one in reader.everything if "modules" in one.attributes)
    elif place == "this <add>":
        element = reader.element
    elif place:
        element = _tested(reader, place)
    else:
        element = reader.holder(_PAIR.findall(text)[0][0])
    return [(f"@{n}={html.unescape(v)}", element.span) for n, v in _PAIR.findall(text)]


#: An attribute in a text.
_PAIR = re.compile(r"([\w.]+)=\"([^\"]*)\"")


def _tested(reader: Reader, text: str) -> Element:
    """The condition that a remedy names by its attributes."""
    wanted = {name: html.unescape(value) for name, value in _PAIR.findall(text)}
    for one in [*reader.element.all(), *reader.element.around(), *reader.everything]:
        if wanted.items() <= one.attributes.items():
            return one
    raise Unclear(f"there is no {text}")


def _condition(reader: Reader, element: str, rule: str = "") -> list[Change]:
    place = reader.called(rule) if rule else _rule(reader)
    return [(f"inside(conditions)={element}", place.span)]


def _rule(reader: Reader) -> Element:
    return next(one for one in [reader.element, *reader.element.around()] if one.tag == "rule")


def _put(reader: Reader, element: str, before: str = "") -> list[Change]:
    place = reader.called(before) if before else _rule(reader)
    return [(f"before()={element}", place.span)]


def _move(reader: Reader, _: str, more: str = "") -> list[Change]:
    """The rule or handler before the one that the message names, with what is to be changed."""
    there = re.search(r"\(([\w./-]+):(\d+):(\d+)\)", reader.finding.message)
    if there is None:
        raise Unclear("before what?")
    span = Span(there[1], int(there[2]), int(there[3]))
    text = re.sub(r"\s*\n\s*", "", fixes.source(reader.data, reader.element.span))
    if match := re.match(r"(url=\"[^\"]*\") in <match>", more):
        text = re.sub(r"(<match) url=\"[^\"]*\"", rf"\1 {match[1]}", text)
    elif condition := re.match(r"<add .*? />", more):
        text = text.replace("<action", f"<conditions>{condition[0]}</conditions><action")
    elif more:
        text = text.replace("<rule", f"<rule {more}", 1)
    return [(f"before()={text}", span), ("without()=", reader.element.span)]


def _instead(reader: Reader, earlier: str) -> list[Change]:
    return [("without()=", reader.called(earlier).span)]


def _into(reader: Reader, element: str, places: str) -> list[Change]:
    """An element to the end of the innermost of ``places``, which are made where they are not."""
    named = [
        tag
        for part in reversed(re.split(r" (?:in|of) ", places))
        for tag in re.findall(r"<([\w.]+)", part)
        if tag not in ("configuration", "system.webServer")
    ]
    known = {one.tag for one in _near(reader)}
    inner = element
    while named:
        tag = named.pop()
        if tag in known:
            return [(f"inside({tag})={inner}", reader.first(tag).span)]
        inner = f"<{tag}>{inner}</{tag}>"
    if inner.startswith("<appSettings") or "<configuration>" in places:
        return [(f"inside(configuration)={inner}", reader.everything[0].span)]
    if "system.webServer" not in known:
        inner = f"<system.webServer>{inner}</system.webServer>"
        return [(f"inside(configuration)={inner}", reader.everything[0].span)]
    return [(f"inside(system.webServer)={inner}", reader.first("system.webServer").span)]


def _near(reader: Reader) -> list[Element]:
    return [*reader.element.all(), *reader.element.around(), *reader.everything]


def _key(reader: Reader, new: str, old: str) -> list[Change]:
    return [
        (f"@key={new}", one.span) for one in reader.everything if one.attributes.get("key") == old
    ]


def _remove(reader: Reader, *_: str) -> list[Change]:
    return [("without()=", reader.element.span)]


def _in_its_place(reader: Reader, element: str, places: str) -> list[Change]:
    return [*_into(reader, element, places), ("without()=", reader.element.span)]


def _into_another(reader: Reader, places: str) -> list[Change]:
    """The element itself, moved."""
    return _in_its_place(reader, fixes.source(reader.data, reader.element.span), places)


def _cases(reader: Reader, tag: str, inside: str) -> list[Change]:
    """Names in another case, of an element and of what is in it."""
    made = _name(reader, tag)
    names = {name.lower(): name for name in inside.split(", ")}
    for element in reader.element.all():
        if element is not reader.element and element.tag.lower() in names:
            made.append((f"name()={names[element.tag.lower()]}", element.span))
        for name, value in element.attributes.items():
            if names.get(name.lower(), name) != name:
                made.append((f"@{names[name.lower()]}={value}", element.span))
                made.append((f"without(@{name})=", element.span))
    return made


def _rules_too(reader: Reader, new: str) -> list[Change]:
    """The script of a handler, and what the rules say of it."""
    old = reader.element.attributes["path"]
    rules = [
        (f"@{name}={value.replace(old, new)}", one.span)
        for rule in reader.everything
        if rule.tag == "rule"
        for one in rule.all()
        for name, value in one.attributes.items()
        if old in value
    ]
    return [(f"@path={new}", reader.element.span), *rules]


def _platform(reader: Reader, modules: str, element: str, place: str) -> list[Change]:
    """Another module for a handler, with the section that it reads."""
    span = reader.element.span
    return [
        (f"@modules={modules}", span),
        ("without(@scriptProcessor)=", span),
        *_into(reader, element, place),
    ]


def _named(reader: Reader, new: str) -> list[Change]:
    """A name for the one in quotation marks."""
    message, element = reader.finding.message, reader.element
    if unknown := re.match(r"Unrecognized (element|attribute) '(.*)'", message):
        if unknown[1] == "element":
            return _name(reader, new)
        value = element.attributes[unknown[2]]
        return [(f"@{new}={value}", element.span), (f"without(@{unknown[2]})=", element.span)]
    old = re.search(r"\"([^\"]+)\"", message)
    return _replaced(reader, new, old[1]) if old is not None else _value(reader, new)


def _remove_attribute(reader: Reader, name: str, value: str = "", place: str = "") -> list[Change]:
    element = _tested(reader, place) if place else reader.holder(name)
    return [(f"without(@{name})=", element.span)]


def _replaced(reader: Reader, new: str, old: str) -> list[Change]:
    """A text for another, wherever the rule has it."""
    return [
        (f"@{name}={value.replace(old, new)}", one.span)
        for one in reader.element.all()
        for name, value in one.attributes.items()
        if old in value
    ]


def _name(reader: Reader, tag: str) -> list[Change]:
    return [(f"name()={tag}", reader.element.span)]


def _tests(reader: Reader, text: str, tests: str) -> list[Change]:
    """Attributes of the file tests of a rule, and how its conditions are joined."""
    made = [
        change
        for one in _rule(reader).all()
        if one.attributes.get("matchType", "?") in tests
        for change in [(f"@{name}={value}", one.span) for name, value in _PAIR.findall(text)]
    ]
    joined = 'under logicalGrouping="MatchAll"' in reader.finding.hint
    return made + ([("conditions/@logicalGrouping=MatchAll", _rule(reader).span)] if joined else [])


def _other_syntax(reader: Reader, texts: str) -> list[Change]:
    """Patterns of a rule in another syntax, each in place of what it was."""
    pairs = {
        old: new for new, old in re.findall(r"'(.*?)' in place of '(.*?)'(?= and |, |\.|:)", texts)
    }
    made = [
        (f"@{name}={pairs[value]}", one.span)
        for one in _rule(reader).all()
        for name, value in one.attributes.items()
        if value in pairs and name in ("url", "pattern")
    ]
    is_removed = texts.startswith("Remove patternSyntax")
    return made + ([("without(@patternSyntax)=", _rule(reader).span)] if is_removed else [])


def _merge(reader: Reader, text: str, first: str, second: str) -> list[Change]:
    return [
        *_attributes(reader, text, first.replace("<add", "")),
        ("without()=", _tested(reader, second).span),
    ]


def _run(command: str) -> None:
    """A command that makes a folder with a file in it."""
    words = shlex.split(command)
    if words[:2] != ["mkdir", "-p"] or words[3:5] != ["&&", "touch"]:
        raise Unclear(command)
    Path(words[2]).mkdir(parents=True)
    Path(words[5]).touch()


def _earlier(reader: Reader, tag: str, where: str) -> list[Change]:
    """The element that takes another one away, before that one."""
    span = Span(*[int(part) if part.isdecimal() else part for part in where.split(":")])
    text = fixes.source(reader.data, span)
    return [(f"before()={text}", reader.element.span), ("without()=", span)]


SHAPES: list[tuple[str, Callable[..., list[Change]]]] = [
    (
        r"((?:Remove patternSyntax=\"Wildcard\", and write|Write) '.*?' in place of '.*)",
        _other_syntax,
    ),
    (
        r"Write modules=\"(.*?)\" without scriptProcessor, and add (<.*?/>) to (<[\w.]+>)",
        _platform,
    ),
    (r"Write path=\"([^\"]*)\", and in the rules .* as well", _rules_too),
    (
        r"Write ([\w.]+=\"[^\"]*\") in its (IsFile|IsDirectory|IsFile and IsDirectory) conditions?",
        _tests,
    ),
    (r"Write (pattern=\"[^\"]*\") in the condition (<add .*?>), and remove (<add .*?>)\.$", _merge),
    (r"Write '(.*?)'(?=[.:,;]|$| in )", _value),
    (r"Write key=\"(.*?)\" for key=\"(.*?)\"", _key),
    (
        r"((?:Write|Did you mean) [\w.]+=\".*)",
        lambda r, t: _writes(r, t.replace("Did you mean", "Write")),
    ),
    (r"Write <[\w.]+ ((?:[\w]+=\"[^\"]*\" ?)+)>\.", lambda r, t: _attributes(r, t, "")),
    (r"Write ([^\s\"<]+) for ([^\s\"<]+?)[.:](?: |$)", _replaced),
    (r"Add (<add .*?/>) as a condition to rule '(.*?)' \(", _condition),
    (r"Add (<add .*?/>) as a condition", _condition),
    (r"Put <(remove|clear)> of ([\w./-]+:\d+:\d+) before this (?:<add>|element)", _earlier),
    (r"Put (<rule .*?</rule>) before rule '(.*?)'(?=[.:]|$)", _put),
    (r"Put (<rule .*?</rule>) before it", _put),
    (r"Write <([\w.]+)>, and below it (.*): case counts", _cases),
    (r"Write (<remove .*?/>) before this rule", _put),
    (
        r"(Put this (?:rule|handler|entry) before it)(?:, with (.*?(?<!/))(?: as a condition)?[.:](?: |$))?",
        _move,
    ),
    (r"Put this rule in the place of '(.*?)'", _instead),
    (r"Put (<remove .*?/>) before this entry", lambda r, e: [(f"before()={e}", r.element.span)]),
    (
        r"Add (<.*?/>) after it",
        lambda r, e: [(f"inside({r.element.parent.tag})={e}", r.element.parent.span)],
    ),
    (r"Remove it, and add (<.*?>) to ((?:<[\w.]+>(?: in | of )?)+)", _in_its_place),
    (
        r"Move it out of <[\w.]+>, directly into (<configuration>)",
        _into_another,
    ),
    (r"Move it into ((?:<[\w.]+>(?: of )?)+)", _into_another),
    (
        r"Add (<.*?>) (?:with its keys )?(?:at the end of|to|after it|after) ((?:<[\w.]+>(?: in | of )?)+)",
        _into,
    ),
    (
        r"Add (<location .*</location>) to <configuration>",
        lambda r, e: [(f"inside(configuration)={e}", r.everything[0].span)],
    ),
    (r"Add (<add key=.*?/>) to appSettings", lambda r, e: _into(r, e, "<appSettings>")),
    (
        r"(?:Leave out|Remove) (\w+)=\"([^\"]*)\"(?: in (<add .*?>|<rewriteMap .*?>))?",
        _remove_attribute,
    ),
    (r"Remove (?:rule|the handler) '(.*?)'", lambda r, name: [("without()=", r.called(name).span)]),
    (
        r"Remove <add .*?/> \(([\w./-]+):(\d+):(\d+)\)",
        lambda r, *at: [("without()=", Span(at[0], int(at[1]), int(at[2])))],
    ),
    (r"Remove (<add .*?>)(?=[.:])", lambda r, text: [("without()=", _tested(r, text).span)]),
    (r"Remove (?:it|this|the entry|the section|the handler)\b", _remove),
    (r"Did you mean '?([\w-]+)'?\?", _named),
    (r"(?:Write|Did you mean) <([\w.]+)>(?: for <\w+>.*)?[.?]", _name),
    (r"(?:Write|Did you mean) ([^\s<'\"].*?)[.?]$", _value),
]


def followed(site: Site, finding: Finding) -> None:
    """Change the files of a site as the remedy of a finding says. Raises Unclear where it does not
    say it so that a reader can do it.
    """
    if command := re.match(r"Run: (.*)$", finding.hint):
        _run(command[1])
        return
    name = finding.span.file if finding.span is not None else "web.config"
    path = Path(site.path, *name.split("/"))
    data = path.read_bytes()
    reader = Reader(finding, elements(name, data), data)
    for shape, follow in SHAPES:
        found = re.match(shape, finding.hint)
        if found:
            changed = fixes.applied(data, follow(reader, *filter(None, found.groups())))
            if changed is None:
                raise Unclear(f"cannot be done: {finding.hint}")
            path.write_bytes(changed)
            return
    raise Unclear(finding.hint)
