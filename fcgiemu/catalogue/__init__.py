"""The catalogue: every finding that exists, as data.

A finding has a code, which never changes its meaning: people write it into comments and options.
What is said about it (severity, message, hint, what it needs, an example that has it and one that
does not) stands in a TOML file of this folder, and docs/check.md is made from these files. The
functions that find lie elsewhere: in ``diagnosis``, and where configuration is read or a request is
decided.

The word before a code's first hyphen names its file: ``rewrite-bad-pattern`` is in rewrite.toml.
A file is read when the first of its findings is made, so that a run without findings reads none.

Messages and hints are templates of ``string.Template``: ``$name`` or ``${name}`` is replaced,
``$$`` stands for a dollar sign. A code that has several messages has *forms*, which a caller names
as ``code/form``; what a form leaves out it takes from its code.

A form whose hint leaves no choice has a *fix*, the same as a change that ``check --fix`` makes to
the element at the finding's place: ``@url=$meant`` writes an attribute, ``match/@url=$meant`` that
of the first element of the name below it, ``name()=$meant`` another name for the element,
``before()=<remove … />`` an element before it, and ``inside(conditions)=<add … />`` one at the end
of <conditions> below it, which is made where there is none; ``without(@negate)=`` takes an
attribute out, ``without()=`` the element. Values are as they are meant, not as XML has them;
elements are as XML has them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Any, Literal, get_args

from .findings import E_INVALID_DATA, Finding, Span

Severity = Literal["error", "warning", "info"]
#: What it takes to find it: configuration alone, the site's files, the programs of this machine, a
#: request that failed.
Needs = Literal["configuration", "files", "process", "request"]


class UnknownCode(KeyError):
    """No finding has this code; ``near`` is the most similar one, or ""."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.near = next(iter(get_close_matches(code, codes(), 1)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An example that has a finding, and the same without it: the content of <system.webServer>, a
    whole file, or for error texts the text.
    """

    before: str = ""
    after: str = ""
    #: What a request comes to before, and after, each a line as ``test`` reads it.
    expects: tuple[str, ...] = ()
    #: The file that the example is.
    file: str = "web.config"
    #: Files beside it, by name; EXAMPLE_FILES always lie there.
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One message of a kind of finding with its hint, as templates."""

    message: str
    hint: str = ""
    #: Where the kind is about error texts: the pattern of those that it fits.
    pattern: str = ""
    #: The change that the hint describes, where it leaves no choice.
    fix: str = ""
    #: Where the example of the code shows another form.
    example: Example | None = None
    #: Why there is no example of it; "" where there is one.
    no_example: str = ""

    def placeholders(self) -> set[str]:
        """The names of the values that its templates take."""
        texts = (self.message, self.hint, self.fix)
        return {name for text in texts for name in Template(text).get_identifiers()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of finding, as a file of the catalogue describes it."""

    code: str
    severity: Severity
    needs: Needs
    #: One or two sentences for the documentation.
    summary: str
    #: Form name -> form; "" is the only one, or the first.
    forms: Mapping[str, Form]
    #: Codes that it had before.
    aliases: tuple[str, ...] = ()
    hresult: int = E_INVALID_DATA
    #: Its own, or that of its first form.
    example: Example
    #: Why no request of its examples shows what is wrong; "" where ``expects`` does.
    no_request: str = ""
    #: What pip has to install, where that is the remedy: ``$install`` of the hint is the command.
    install: str = ""
    #: Of a kind about error texts: whether only those fit that come from the worker's own code.
    of_worker: bool = False

    def examples(self) -> list[tuple[str, Example]]:
        """The examples of the code and of its forms, as (``code`` or ``code/form``, example)."""
        of_forms = [
            (f"{self.code}/{name}", form.example)
            for name, form in self.forms.items()
            if form.example is not None
        ]
        is_own = self.example.before and self.example not in (shown for _, shown in of_forms)
        return [*([(self.code, self.example)] if is_own else []), *of_forms]


@dataclass(frozen=True, slots=True)
class Topic:
    """The kinds of one file, in its order."""

    name: str
    title: str
    order: int
    kinds: Mapping[str, Kind]


#: What a form may have of its own.
_OF_FORMS = ("message", "hint", "pattern", "fix", "no_example")
#: What an example consists of: the code's, and those that its forms have of their own.
_OF_EXAMPLES = ("before", "after", "expects", "file", "files")
#: The files of the site in which an example stands.
EXAMPLE_FILES = {"static/site.css": "", "app.py": ""}


def finding(
    code: str,
    span: Span | None,
    /,
    *,
    severity: str = "",
    hresult: int | None = None,
    section: str = "",
    location: str = "",
    **values: object,
) -> Finding:
    """A finding of a kind: ``code`` or ``code/form``, with the values of its placeholders.

    ``severity`` and ``hresult`` replace those of the catalogue where the place decides. Raises
    UnknownCode, and KeyError for a value that is missing.
    """
    return filled(
        code, values, span, severity=severity, hresult=hresult, section=section, location=location
    )


def filled(
    code: str,
    values: Mapping[str, object],
    span: Span | None = None,
    *,
    severity: str = "",
    hresult: int | None = None,
    section: str = "",
    location: str = "",
) -> Finding:
    """As ``finding``, with the values of the placeholders in a mapping."""
    name, _, form = code.partition("/")
    found = kind(name)
    text = found.forms[form]
    return Finding(
        code=found.code,
        severity=severity or found.severity,
        message=_worded(text.message, values),
        span=span,
        hint=_worded(text.hint, values),
        hresult=found.hresult if hresult is None else hresult,
        section=section,
        location=location,
        fix=Template(text.fix).substitute(values),
    )


#: Values that are names of rules.
_NAMES = ("rule", "earlier", "later", "other", "before")


def _worded(text: str, values: Mapping[str, object]) -> str:
    """A template with its values; a name that is empty is said to be none."""
    for name in _NAMES:
        if values.get(name) == "":
            text = text.replace(f"ule '${name}'", "ule without a name")
            text = text.replace(f"'${name}'", "the rule without a name")
    return Template(text).substitute(values)


@lru_cache(maxsize=256)
def hint(code: str, /, **values: object) -> str:
    """What to do about a kind of finding, for an error page."""
    name, _, form = code.partition("/")
    return Template(kind(name).forms[form].hint).substitute(values)


def kind(code: str) -> Kind:
    """The kind that has this code, or had it before. Raises UnknownCode."""
    first = code.partition("-")[0]
    if first in _topic_names():
        found = topic(first).kinds.get(code)
        if found is not None:
            return found
    name = _aliases().get(code)
    if name is None:
        raise UnknownCode(code)
    return kind(name)


def kinds() -> Iterable[Kind]:
    """Every kind, by topic, in the order of the files."""
    return [found for part in topics() for found in part.kinds.values()]


def codes() -> list[str]:
    """Every code."""
    return [found.code for found in kinds()]


def topics() -> list[Topic]:
    """Every file of the catalogue, in the order of the documentation."""
    return sorted(map(topic, _topic_names()), key=lambda part: (part.order, part.name))


@cache
def _topic_names() -> frozenset[str]:
    return frozenset(
        entry.name.removesuffix(".toml")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".toml")
    )


@cache
def _aliases() -> dict[str, str]:
    return {alias: found.code for found in kinds() for alias in found.aliases}


@cache
def topic(name: str) -> Topic:
    """One file of the catalogue. Raises ValueError for a file that is not as it should be."""
    text = resources.files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    title, order = data.pop("title"), data.pop("order")
    return Topic(name, title, order, {code: _kind(code, given) for code, given in data.items()})


def _kind(code: str, given: dict[str, Any]) -> Kind:
    """A table of a file; raises ValueError for what does not belong there."""
    shown = {name: given.pop(name) for name in _OF_EXAMPLES if name in given}
    forms = {"": _form(given, {}, shown)} if "message" in given else {}
    forms |= {name: _form(given, form, shown) for name, form in given.pop("forms", {}).items()}
    for name in _OF_FORMS:
        given.pop(name, None)
    if given["severity"] not in get_args(Severity) or given["needs"] not in get_args(Needs):
        raise ValueError(f"{code}: {given['severity']}, {given['needs']}")
    aliases = tuple(given.pop("aliases", ()))
    own = [form.example for form in forms.values() if form.example is not None]
    example = own[0] if own and "before" not in shown else _example(shown)
    try:
        return Kind(code=code, forms=forms, aliases=aliases, example=example, **given)
    except TypeError as error:
        raise ValueError(f"{code}: {error}") from error


def _form(given: dict[str, Any], form: dict[str, Any], shown: dict[str, Any]) -> Form:
    texts = {name: form.get(name, given.get(name, "")) for name in _OF_FORMS}
    own = {name: form[name] for name in _OF_EXAMPLES if name in form}
    place = {name: shown[name] for name in ("file", "files") if name in shown}
    return Form(**texts, example=_example(place | own) if own else None)


def _example(given: dict[str, Any]) -> Example:
    return Example(**{**given, "expects": tuple(given.get("expects", ()))})
