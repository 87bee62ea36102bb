"""The catalogue of findings: every code of the source is in it and the other way round, its
templates get what they name, its examples find and do not find, and the page is made from it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from fcgiemu import catalogue
from fcgiemu.applications import Application
from fcgiemu.catalogue import Example, Kind, page
from fcgiemu.catalogue.findings import Span
from fcgiemu.diagnosis.causes import causes
from fcgiemu.diagnosis.check import check
from fcgiemu.rewrite.state import Place
from fcgiemu.testing import expectations
from fcgiemu.testing.client import Client

from ..sites import example_site

SOURCES = Path(__file__).parents[2] / "fcgiemu"
KINDS = list(catalogue.kinds())
CHECKED = [
    pytest.param(kind, name.partition("/")[2], example, id=name)
    for kind in KINDS
    if kind.needs in ("configuration", "files")
    for name, example in kind.examples()
]
_NAMES = {"severity", "hresult", "section", "location"}
_CODE = re.compile(
    rf"(?:{'|'.join(part.name for part in catalogue.topics())})(?:-[a-z]+)+(?:/[a-z]+)?"
)


#: Functions beside ``finding`` that take a code, a span and the values of its placeholders.
_MAKERS = {"report", "_refused"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """(place, call) of every call of ``finding`` or ``hint`` of the catalogue, and of what passes
    its arguments on to them.
    """
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                codes = named(node.args[0]) if node.args else []
                passes = name in _MAKERS and codes and all(map(_CODE.fullmatch, codes))
                if passes or (name in ("finding", "hint") and node.args):
                    yield f"{path.name}:{node.lineno}", node


def named(node: ast.expr) -> list[str]:
    """The codes that an argument may stand for, ``code`` or ``code/form``; none for a variable."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return named(node.body) + named(node.orelse)
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            value = part.value if isinstance(part, ast.FormattedValue) else part
            more = named(value) or ["/?"]  # a form that is a variable
            texts = [(text + end).replace("//", "/") for text in texts for end in more]
        return texts
    return []


def used() -> set[str]:
    """Every code that stands in the source."""
    found = {name.partition("/")[0] for _, call in calls() for name in named(call.args[0])}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _CODE.fullmatch(node.value):
                    found.add(node.value.partition("/")[0])
    return found


def test_every_code_of_the_source_is_in_the_catalogue_and_the_other_way_round() -> None:
    by_text = {kind.code for kind in KINDS if any(form.pattern for form in kind.forms.values())}
    built = {"config-unknown-element", "config-unknown-attribute"}  # put together of two parts
    known = {kind.code for kind in KINDS}
    assert used() - known - NOT_CODES == set()
    assert known - used() - by_text - built == set()


#: Texts of the source that look like a code.
NOT_CODES = {
    "azure-windows",
    "python-decouple",
    "python-dotenv",
    "python-jose",
    "python-dateutil",
    "python-magic",
}


def test_calls_give_what_the_templates_name() -> None:
    for place, call in calls():
        given = {word.arg for word in call.keywords if word.arg}
        if None in (word.arg for word in call.keywords):
            continue  # **values
        for name in named(call.args[0]):
            code, _, form = name.partition("/")
            forms = catalogue.kind(code).forms
            if form == "?":
                continue  # a form that is a variable
            texts = [forms[form]]
            wanted = {
                value
                for text in texts
                for value in (
                    text.placeholders()
                    if len(call.args) > 1
                    else Template(text.hint).get_identifiers()
                )
            }
            assert wanted <= given, (place, name, wanted - given)
            assert given - _NAMES <= {
                value
                for other in catalogue.kind(code).forms.values()
                for value in other.placeholders()
            }, (place, name)


def test_only_the_catalogue_words_a_finding() -> None:
    """Nobody else makes a Finding of sentences; copies of one change other fields."""
    elsewhere = {
        f"{path.relative_to(SOURCES)}:{node.lineno}"
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Finding"
        and path.parent.name != "catalogue"
    }
    assert not elsewhere


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_kind_is_complete(kind: Kind) -> None:
    assert kind.summary and kind.forms
    for form in kind.forms.values():
        assert form.message and not form.message.endswith(".")
        assert Template(form.message).is_valid() and Template(form.hint).is_valid()
    assert catalogue.kind(kind.code) is kind
    assert all(catalogue.kind(alias) is kind for alias in kind.aliases)


def fits(template: str, text: str) -> bool:
    """Whether a text is a template with some values."""
    marked = Template(template).substitute(
        dict.fromkeys(Template(template).get_identifiers(), "\0")
    )
    return re.fullmatch(re.escape(marked).replace("\0", ".*"), text, re.DOTALL) is not None


@pytest.mark.parametrize(("kind", "form", "example"), CHECKED)
def test_the_examples(tmp_path: Path, kind: Kind, form: str, example: Example) -> None:
    """They give the finding, in the words of the catalogue, and do not give it."""
    site = example_site(tmp_path, example, example.before)
    found = [known for known in check(site) if known.code == kind.code]
    assert found
    forms = [kind.forms[form]] if form else list(kind.forms.values())
    for known in found:
        assert any(fits(one.message, known.message) for one in forms), known.message
        assert any(fits(one.hint, known.hint.partition(" (In ")[0]) for one in forms), known.hint
    after = check(example_site(tmp_path, example, example.after))
    assert kind.code not in {known.code for known in after}, after


@pytest.mark.parametrize(
    ("kind", "form", "example"), [case for case in CHECKED if case.values[2].expects]
)
def test_the_examples_keep_their_promise(
    tmp_path: Path, kind: Kind, form: str, example: Example
) -> None:
    """A request comes to what the message says, and with the remedy to what was meant."""
    for text, expected in zip((example.before, example.after), example.expects, strict=True):
        client = Client(example_site(tmp_path, example, text))
        lines = list(expectations.parse([expected], f"{kind.code}/{form}"))
        results = expectations.judge(client.open, lines)
        assert [result.differences for result in results] == [[]], client.asked[-1].trace


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if any(form.pattern for form in kind.forms.values())],
    ids=lambda kind: kind.code,
)
def test_the_examples_of_error_texts(tmp_path: Path, kind: Kind) -> None:
    application = Application("", tmp_path, Place())
    assert [found.code for found in causes(kind.example.before, application)] == [kind.code]
    assert kind.code not in [found.code for found in causes(kind.example.after, application)]


#: Those that check finds and that fail requests, or mislead.
FAILING = [
    kind
    for kind in KINDS
    if kind.needs in ("configuration", "files") and kind.severity in ("error", "warning")
]


@pytest.mark.parametrize("kind", FAILING, ids=lambda kind: kind.code)
def test_a_request_shows_what_is_wrong(kind: Kind) -> None:
    """Before the remedy, and after it; or the catalogue says why none does."""
    shown = any(example.expects for _, example in kind.examples())
    assert shown != bool(kind.no_request), kind.no_request


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.needs in ("configuration", "files")],
    ids=lambda kind: kind.code,
)
def test_every_form_has_an_example(tmp_path: Path, kind: Kind) -> None:
    """One that gives it and one that does not; or the catalogue says why there is none. The words
    that forms have in common are no form that needs one.
    """
    said = [
        (known.message, known.hint.partition(" (In ")[0])
        for number, (_, example) in enumerate(kind.examples())
        for known in check(example_site(tmp_path / str(number), example, example.before))
        if known.code == kind.code
    ]
    without = {
        name
        for name, form in kind.forms.items()
        if not form.no_example
        and not any(fits(form.message, one) and fits(form.hint, two) for one, two in said)
        and (name or not any(fits(form.message, one) for one, _ in said))
    }
    assert not without, said


def test_the_page_is_made_from_the_catalogue() -> None:
    written = (SOURCES.parent / "docs" / "check.md").read_text("utf-8")
    assert written == page.page(), "python -m fcgiemu.catalogue > docs/check.md"


def test_unknown_codes_and_missing_values() -> None:
    with pytest.raises(catalogue.UnknownCode) as error:
        catalogue.kind("rewrite-leading-slashes")
    assert error.value.near == "rewrite-leading-slash"
    with pytest.raises(catalogue.UnknownCode):
        catalogue.kind("nothing")
    with pytest.raises(KeyError):
        catalogue.finding("settings-key", Span("web.config", 1, 1))
