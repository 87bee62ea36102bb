"""XML Document Transforms: a table of what each transform and locator does and says, the layout of
what is written, and what keeps a hostile file from harm.
"""

from __future__ import annotations

import re

import pytest
from lxml import etree

from fcgiemu.config.errors import ConfigurationError
from fcgiemu.config.xdt import Message, TransformResult, transform
from fcgiemu.config.xdt.chain import apply_all
from fcgiemu.config.xdt.messages import REMEDIES

XDT = 'xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform"'
MIMES = '<m><mime ext=".a" type="x"/><mime ext=".b" type="y"/><mime ext=".a" type="z"/></m>'
PLACES = '<place at="one"><box n="1"/></place><place at="two"><box n="1"/></place>'


def problems(result: TransformResult) -> list[Message]:
    return [message for message in result.messages if message.kind in ("warning", "error")]


def run(base: str, changes: str) -> TransformResult:
    """Transform the content of one root element by that of another."""
    return transform(
        f"<site>{base}</site>".encode(),
        f"<site {XDT}>{changes}</site>".encode(),
        "web.config",
        "web.Release.config",
    )


def plain(text: str | None) -> str:
    """The canonical form of what is in the root element, without white space between markup."""
    assert text is not None
    root = etree.fromstring(text.encode())
    for node in root.iter():
        if node.text is not None and not node.text.strip() and isinstance(node.tag, str):
            node.text = None
        if node.tail is not None and not node.tail.strip():
            node.tail = None
    whole = etree.tostring(root, method="c14n").decode()
    return re.sub(r"></[\w.]+>", "/>", re.sub(r"^<site[^>]*>|</site>$", "", whole))


def said(result: TransformResult) -> list[str]:
    """``kind code: about`` of each message with a code."""
    return [
        f"{message.kind} {message.code}: {message.about}".strip(" :")
        for message in result.messages
        if message.code
    ]


#: (base, transform, result, what is said). A result of None is the base as it was.
TABLE: dict[str, tuple[str, str, str | None, list[str]]] = {
    # -- Replace, Remove, RemoveAll
    "replace takes the whole element": (
        "<a><old x='1'><in/></old><b/></a>",
        "<a><old y='2' xdt:Transform='Replace'><new/></old></a>",
        '<a><old y="2"><new/></old><b/></a>',
        [],
    ),
    "replace takes the first of several": (
        MIMES,
        "<m><mime ext='.a' type='n' xdt:Transform='Replace' xdt:Locator='Match(ext)'/></m>",
        MIMES.replace('type="x"', 'type="n"'),
        ["warning several-targets: Replace"],
    ),
    "replace of nothing warns": (
        MIMES,
        "<m><mime ext='.q' xdt:Transform='Replace' xdt:Locator='Match(ext)'/></m>",
        None,
        ["warning no-match: /site/m/mime[@ext='.q']"],
    ),
    "remove takes the first of several": (
        MIMES,
        "<m><mime xdt:Transform='Remove'/></m>",
        '<m><mime ext=".b" type="y"/><mime ext=".a" type="z"/></m>',
        ["warning several-targets: Remove"],
    ),
    "remove all": (
        MIMES,
        "<m><mime ext='.a' xdt:Transform='RemoveAll' xdt:Locator='Match(ext)'/></m>",
        '<m><mime ext=".b" type="y"/></m>',
        [],
    ),
    "remove with arguments": (
        "<a/><b/>",
        "<a xdt:Transform='Remove(everything)'/>",
        "<b/>",
        ["warning arguments-ignored: Remove"],
    ),
    "remove all with arguments warns for each": (
        "<a/><a/>",
        "<a xdt:Transform='RemoveAll(x)'/>",
        "",
        ["warning arguments-ignored: RemoveAll"] * 2,
    ),
    "an attribute is not an element to remove": (
        "<a x='1'/>",
        "<a xdt:Transform='Remove' xdt:Locator='XPath(/site/a/@x)'/>",
        None,
        ["error path-not-element"],
    ),
    # -- the Insert family
    "insert appends and looks for no duplicate": (
        "<a><b n='1'/></a>",
        "<a><b n='1' xdt:Transform='Insert'/></a>",
        '<a><b n="1"/><b n="1"/></a>',
        [],
    ),
    "insert below a parent that is missing": (
        "<a/>",
        "<q><b xdt:Transform='Insert'/></q>",
        None,
        ["error no-match: /site/q/b"],
    ),
    "insert blames the outermost missing parent": (
        "<a/>",
        "<q><r><s xdt:Transform='Insert'/></r></q>",
        None,
        ["error no-match: /site/q/r"],
    ),
    "insert takes the first of several parents silently": (
        PLACES,
        "<place><new xdt:Transform='Insert'/></place>",
        PLACES.replace('<box n="1"/>', '<box n="1"/><new/>', 1),
        [],
    ),
    "insert if missing, with a locator": (
        MIMES,
        "<m><mime ext='.c' xdt:Transform='InsertIfMissing' xdt:Locator='Match(ext)'/></m>",
        MIMES.replace("</m>", '<mime ext=".c"/></m>'),
        [],
    ),
    "insert if missing, without a locator, finds any of the name": (
        MIMES,
        "<m><mime ext='.c' xdt:Transform='InsertIfMissing'/></m>",
        None,
        [],
    ),
    "insert if missing: something of the path below another parent counts": (
        "<p/><p><q/></p>",
        "<p><q xdt:Transform='InsertIfMissing'/></p>",
        None,
        [],
    ),
    "insert if missing, a chain": (
        "",
        "<a xdt:Transform='InsertIfMissing'><b xdt:Transform='InsertIfMissing'><c/></b></a>",
        "<a><b><c/></b></a>",
        [],
    ),
    "insert twice what is within what is inserted": (
        "",
        "<a xdt:Transform='Insert'><b xdt:Transform='Insert'/></a>",
        "<a><b/><b/></a>",
        [],
    ),
    "insert with an XPath locator goes below what it leads to": (
        PLACES,
        "<x xdt:Transform='Insert' xdt:Locator=\"XPath(/site/place[@at='two'])\"/>",
        PLACES.replace('<box n="1"/></place></place>', "").replace(
            '<place at="two"><box n="1"/>', '<place at="two"><box n="1"/><x/>'
        ),
        [],
    ),
    "insert before and after": (
        "<a><b n='1'/><b n='2'/></a>",
        "<a><b n='0' xdt:Transform='InsertBefore(b[1])'/>"
        "<b n='3' xdt:Transform='InsertAfter(/site/a/b[last()])'/></a>",
        '<a><b n="0"/><b n="1"/><b n="2"/><b n="3"/></a>',
        [],
    ),
    "insert beside an element elsewhere": (
        "<a/><far><off/></far>",
        "<a><x xdt:Transform='InsertBefore(//off)'/></a>",
        "<a/><far><x/><off/></far>",
        [],
    ),
    "insert before without a path": (
        "<a/>",
        "<a><x xdt:Transform='InsertBefore'/></a>",
        None,
        ["error path-missing: InsertBefore"],
    ),
    "insert after with two paths": (
        "<a/>",
        "<a><x xdt:Transform='InsertAfter(b, c)'/></a>",
        None,
        ["error argument-count: InsertAfter"],
    ),
    "insert before no such sibling": (
        "<a/>",
        "<a><x xdt:Transform='InsertBefore(b)'/></a>",
        None,
        ["error no-match: b"],
    ),
    "insert before an attribute": (
        "<a y='1'/>",
        "<a><x xdt:Transform='InsertBefore(@y)'/></a>",
        None,
        ["error path-not-element: @y"],
    ),
    "insert before the root": (
        "<a/>",
        "<a><x xdt:Transform='InsertBefore(/site)'/></a>",
        None,
        ["error path-not-element: /site"],
    ),
    "the path of a sibling knows no prefixes": (
        "<a><b/></a>",
        "<a><x xmlns:p='urn:p' xdt:Transform='InsertBefore(p:b)'/></a>",
        None,
        ["error bad-path: p:b"],
    ),
    # -- attributes
    "set attributes: in place, new ones behind": (
        "<a x='1' y='2'/>",
        "<a y='3' z='4' xdt:Transform='SetAttributes'/>",
        '<a x="1" y="3" z="4"/>',
        [],
    ),
    "set attributes: children are not copied": (
        "<a x='1'/>",
        "<a x='2' xdt:Transform='SetAttributes'><b/></a>",
        '<a x="2"/>',
        [],
    ),
    "set attributes of every target": (
        PLACES,
        "<place><box n='5' xdt:Transform='SetAttributes'/></place>",
        PLACES.replace('n="1"', 'n="5"'),
        [],
    ),
    "set attributes that are named, with a star": (
        "<a x='1' y='1'/>",
        "<a x='2' y='2' xdt:Transform='SetAttributes(*)'/>",
        '<a x="2" y="2"/>',
        [],
    ),
    "set attributes: an argument without attribute": (
        "<a x='1'/>",
        "<a x='2' xdt:Transform='SetAttributes(x, y)'/>",
        '<a x="2"/>',
        ["warning argument-without-attribute: y"],
    ),
    "set attributes: none at all": (
        "<a x='1'/>",
        "<a xdt:Transform='SetAttributes'/>",
        None,
        ["warning nothing-to-set"],
    ),
    "set attributes: the one argument names none": (
        "<a x='1'/>",
        "<a xdt:Transform='SetAttributes(q)'/>",
        None,
        ["warning argument-without-attribute: q", "warning nothing-to-set"],
    ),
    "remove attributes": (
        "<a x='1' y='2' z='3'/>",
        "<a xdt:Transform='RemoveAttributes(x,z)'/>",
        '<a y="2"/>',
        [],
    ),
    "remove all attributes": (
        "<a x='1' y='2'/>",
        "<a xdt:Transform='RemoveAttributes'/>",
        "<a/>",
        [],
    ),
    "remove attributes warns for each target that lacks one": (
        "<a x='1' y='1'/><a x='2'/>",
        "<a xdt:Transform='RemoveAttributes(x,y)'/>",
        "<a/><a/>",
        ["warning argument-without-attribute: y"],
    ),
    "remove attributes: none is left": (
        "<a x='1'/>",
        "<a xdt:Transform='RemoveAttributes(q)'/>",
        None,
        ["warning argument-without-attribute: q", "warning nothing-to-remove: a"],
    ),
    "tokens are attributes of the target, then of the element": (
        "<a n='N'/>",
        "<a v='$(n)-$(w)-$(unknown)-{% Parameter=p %}' w='W'"
        " xdt:Transform='SetTokenizedAttributes(v)'/>",
        '<a n="N" v="N-W-$(unknown)-{% Parameter=p %}"/>',
        [],
    ),
    "a token of itself stays": (
        "<a/>",
        "<a v='$(v)' xdt:Transform='SetTokenizedAttributes(v)'/>",
        '<a v="$(v)"/>',
        [],
    ),
    # -- locators
    "match by two attributes": (
        "<a p='1' q='1'/><a p='1' q='2'/>",
        "<a p='1' q='2' v='9' xdt:Transform='SetAttributes(v)' xdt:Locator='Match(p, q)'/>",
        '<a p="1" q="1"/><a p="1" q="2" v="9"/>',
        [],
    ),
    "match compares values with case": (
        "<a p='One'/>",
        "<a p='one' xdt:Transform='Remove' xdt:Locator='Match(p)'/>",
        None,
        ["warning no-match: /site/a[@p='one']"],
    ),
    "match by an attribute that is not there": (
        "<a p='1'/>",
        "<a xdt:Transform='Remove' xdt:Locator='Match(p)'/>",
        None,
        ["error match-without-attribute: p"],
    ),
    "match without argument": (
        "<a p='1'/>",
        "<a p='1' xdt:Transform='Remove' xdt:Locator='Match'/>",
        None,
        ["error argument-count: Match"],
    ),
    "match of an apostrophe breaks the path": (
        '<a p="o\'clock"/>',
        "<a p=\"o'clock\" xdt:Transform='Remove' xdt:Locator='Match(p)'/>",
        None,
        ["error bad-path: /site/a[@p='o'clock']"],
    ),
    "condition is a position": (
        "<a n='1'/><a n='2'/>",
        "<a xdt:Transform='Remove' xdt:Locator='Condition(2)'/>",
        '<a n="1"/>',
        [],
    ),
    "condition counts below each parent": (
        "<p><a n='1'/><a n='2'/></p><p><a n='3'/><a n='4'/></p>",
        "<p><a xdt:Transform='RemoveAll' xdt:Locator='Condition(2)'/></p>",
        '<p><a n="1"/></p><p><a n="3"/></p>',
        [],
    ),
    "condition with brackets": (
        "<a n='1'/><a n='2'/>",
        "<a xdt:Transform='Remove' xdt:Locator=\"Condition([@n='2'])\"/>",
        '<a n="1"/>',
        [],
    ),
    "a comma between quotes separates": (
        "<a n='1,2'/>",
        "<a xdt:Transform='Remove' xdt:Locator=\"Condition(@n='1,2')\"/>",
        None,
        ["error argument-count: Condition"],
    ),
    "a comma between parentheses does not": (
        "<a n='xyz'/>",
        "<a xdt:Transform='Remove' xdt:Locator=\"Condition(starts-with(@n, 'x'))\"/>",
        "",
        [],
    ),
    "a relative XPath is below the element's own name": (
        "<a><b/></a>",
        "<a xdt:Transform='SetAttributes' v='1' xdt:Locator='XPath(b)'/>",
        '<a><b v="1"/></a>',
        [],
    ),
    "an absolute XPath leaves the place behind": (
        "<a/><b/>",
        "<a><c v='1' xdt:Transform='SetAttributes' xdt:Locator='XPath(/site/b)'/></a>",
        '<a/><b v="1"/>',
        [],
    ),
    "an XPath that gives a number": (
        "<a/>",
        "<a xdt:Transform='Remove' xdt:Locator='XPath(/site/count(a))'/>",
        None,
        ["error bad-path: /site/count(a)"],
    ),
    "attributes of an ancestor narrow nothing": (
        PLACES,
        "<place at='two'><box n='2' xdt:Transform='SetAttributes'/></place>",
        PLACES.replace('n="1"', 'n="2"'),
        [],
    ),
    "a locator of an ancestor holds below it": (
        PLACES,
        "<place at='two' xdt:Locator='Match(at)'><box xdt:Transform='Remove'/></place>",
        '<place at="one"><box n="1"/></place><place at="two"/>',
        [],
    ),
    "a locator that cannot be read fails for each step below": (
        "<a><b/><c/></a>",
        "<a xdt:Locator='Near(x)'><b xdt:Transform='Remove'/><c xdt:Transform='Remove'/></a>",
        None,
        ["error unknown-name: Near"] * 2,
    ),
    # -- order, errors, what is said
    "each step sees what the ones before it did": (
        "<a n='1'/><a n='2'/>",
        "<a xdt:Transform='Remove' xdt:Locator='Condition(1)'/>"
        "<a v='x' xdt:Transform='SetAttributes' xdt:Locator='Condition(1)'/>",
        '<a n="2" v="x"/>',
        [],
    ),
    "what an earlier step took": (
        "<a/>",
        "<a xdt:Transform='Remove'/><a v='1' xdt:Transform='SetAttributes'/>",
        "",
        ["warning taken-by-earlier: /site/a"],
    ),
    "an element below one that is removed": (
        "<a><b/></a>",
        "<a xdt:Transform='Remove'><b xdt:Transform='Remove'/></a>",
        "",
        ["warning taken-by-earlier: /site/a/b"],
    ),
    "remove all and insert if missing: replace or add": (
        "<a><b n='1' old='1'/></a>",
        "<a><b n='1' xdt:Transform='RemoveAll' xdt:Locator='Match(n)'/>"
        "<b n='1' new='1' xdt:Transform='InsertIfMissing' xdt:Locator='Match(n)'/></a>",
        '<a><b n="1" new="1"/></a>',
        [],
    ),
    "an unknown transform stops its own element and what is below": (
        "<a><b/></a><c/>",
        "<a xdt:Transform='Delete'><b xdt:Transform='Remove'/></a><c xdt:Transform='Remove'/>",
        "<a><b/></a>",
        ["error unknown-name: Delete"],
    ),
    "a missing parent does not stop what is below": (
        "<c/>",
        "<q><r xdt:Transform='Insert'><c xdt:Transform='SetAttributes' v='1'"
        " xdt:Locator='XPath(/site/c)'/></r></q>",
        '<c v="1"/>',
        ["error no-match: /site/q/r"],
    ),
    "names are compared with case": (
        "<a/>",
        "<a xdt:Transform='remove'/>",
        None,
        ["error unknown-name: remove"],
    ),
    "a locator is not a transform": (
        "<a/>",
        "<a xdt:Transform='Match(x)'/>",
        None,
        ["error unknown-name: Match"],
    ),
    "blanks around a name": (
        "<a/>",
        "<a xdt:Transform=' Remove ( ) '/>",
        "",
        ["warning arguments-ignored: Remove"],
    ),
    "something that is not a name": (
        "<a/>",
        "<a xdt:Transform='Remove Replace'/>",
        None,
        ["error bad-syntax: Remove Replace"],
    ),
    "warnings that are suppressed are messages": (
        "<a/>",
        "<b xdt:Transform='Remove' xdt:SupressWarnings='True'/><c xdt:Transform='Remove'/>",
        None,
        ["message no-match: /site/b", "warning no-match: /site/c"],
    ),
    "the usual spelling of SuppressWarnings does nothing": (
        "<a/>",
        "<b xdt:Transform='Remove' xdt:SuppressWarnings='true'/>",
        None,
        ["warning no-match: /site/b"],
    ),
    "comment out": (
        "<a><b n='1'/><!-- c --></a>",
        "<a><b xdt:Transform='CommentOut'/></a>",
        '<a><!-- <b n="1" /> --><!-- c --></a>',
        [],
    ),
    # -- copies
    "comments and text come along, xdt attributes do not": (
        "<a/>",
        "<a><b xdt:Transform='Insert'><!-- why -->text<c xdt:Locator='Match(x)' x='&lt;'/></b></a>",
        '<a><b><!-- why -->text<c x="&lt;"/></b></a>',
        [],
    ),
    "another element of the namespace": (
        "<a/>",
        "<xdt:Note/><a xdt:Transform='Remove'/>",
        "",
        ["warning unknown-xdt-element: xdt:Note"],
    ),
    "an assembly that is not loaded": (
        "<a/>",
        "<xdt:Import assembly='My.Transforms' namespace='My'/><a xdt:Transform='Remove'/>",
        "",
        ["message import-ignored: My"],
    ),
    "an import without namespace is fatal": (
        "<a/>",
        "<xdt:Import assembly='My.Transforms'/><a xdt:Transform='Remove'/>",
        None,
        ["error bad-import", "error fatal"],
    ),
    "an import of a file and an assembly is fatal": (
        "<a/>",
        "<xdt:Import assembly='A' path='b.dll' namespace='N'/><a xdt:Transform='Remove'/>",
        None,
        ["error bad-import", "error fatal"],
    ),
    "a transform of an extension that is imported": (
        "<e><add n='P' v='one'/></e>",
        "<xdt:Import assembly='Microsoft.Web.Xdt.Extensions'"
        " namespace='Microsoft.Web.Xdt.Extensions'/>"
        "<e><add n='P' v='two' xdt:Locator='Match(n)'"
        " xdt:Transform=\"InsertOrAppendAttribute(Attribute='v')\"/>"
        "<add n='Q' v='new' xdt:Locator='Match(n)'"
        " xdt:Transform='InsertOrAppendAttribute(Attribute=v)'/></e>",
        '<e><add n="P" v="one;two"/><add n="Q" v="new"/></e>',
        [],
    ),
}


@pytest.mark.parametrize(("base", "changes", "left", "messages"), TABLE.values(), ids=TABLE.keys())
def test_what_a_transform_does_and_says(
    base: str, changes: str, left: str | None, messages: list[str]
) -> None:
    result = run(base, changes)
    assert said(result) == messages
    assert result.ok is not any(message.startswith("error") for message in messages)
    assert plain(result.text) == plain(f"<site>{base if left is None else left}</site>")


def test_every_code_has_a_remedy() -> None:
    for _, (base, changes, _, _) in TABLE.items():
        for message in problems(run(base, changes)):
            assert message.remedy or message.code == "fatal"
    assert all(remedy.endswith((".", "]).")) for remedy in REMEDIES.values())


def test_places_are_line_and_column_of_the_cause() -> None:
    result = transform(
        b"<site>\n  <a x='1'/>\n</site>",
        f"""<site {XDT}>
  <a p="1"
     xdt:Transform="SetAttributes(q)" />
  <b xdt:Transform="Remove" />
  <c xdt:Transform="Remove" xdt:Locator="Match(none)" />
  <d xdt:Transform="Remove" xdt:Locator="Matches(none)" />
  <a xdt:Transform="RemoveAttributes(r)" />
</site>""".encode(),
        "base.config",
        "release.config",
    )
    assert [(message.code, str(message.span)) for message in problems(result)] == [
        ("argument-without-attribute", "release.config:3:6"),
        ("nothing-to-set", "release.config:3:6"),
        ("no-match", "release.config:4:4"),
        ("match-without-attribute", "release.config:5:4"),
        ("unknown-name", "release.config:6:29"),
        ("argument-without-attribute", "release.config:7:6"),
        ("nothing-to-remove", "base.config:2:4"),
    ]


@pytest.mark.parametrize(
    "namespace",
    [
        "https://schemas.microsoft.com/XML-Document-Transform",
        "http://schemas.microsoft.com/xml-document-transform",
    ],
)
def test_another_namespace_changes_nothing(namespace: str) -> None:
    result = transform(
        b"<s><a/></s>",
        f'<s xmlns:xdt="{namespace}"><a xdt:Transform="Remove"/></s>'.encode(),
        "b",
        "t",
    )
    assert (result.ok, said(result)) == (True, ["message no-namespace"])
    assert plain(result.text) == plain("<s><a/></s>")


def test_default_namespaces_must_be_equal() -> None:
    changes = f'<s {XDT}><a v="1" xdt:Transform="SetAttributes"/></s>'
    base = b'<s xmlns="urn:n"><a/></s>'
    assert said(transform(base, changes.encode(), "b", "t")) == ["warning no-match: /s"]
    same = changes.replace("<s ", '<s xmlns="urn:n" ').encode()
    assert transform(base, same, "b", "t").text == '<s xmlns="urn:n"><a v="1"/></s>'


def test_a_prefix_is_declared_where_it_is_needed() -> None:
    changes = f'<s xmlns:p="urn:p" {XDT}><p:a p:k="1" xdt:Transform="Insert"/></s>'.encode()
    assert plain(transform(b'<s xmlns:p="urn:p"><b/></s>', changes, "b", "t").text) == plain(
        '<s xmlns:p="urn:p"><b/><p:a p:k="1"/></s>'
    )
    alone = transform(b"<s><b/></s>", changes, "b", "t").text
    assert alone is not None
    assert etree.fromstring(alone)[1].tag == "{urn:p}a"


def test_a_comment_that_would_end_too_early_is_not_written() -> None:
    result = run("<a><!-- in --></a>", "<a xdt:Transform='CommentOut'/>")
    assert (result.ok, result.text, said(result)[0][:20]) == (False, None, "error comment-dashes")


def test_an_error_without_root() -> None:
    result = transform(b"<s/>", f'<s {XDT} xdt:Transform="Remove"/>'.encode(), "web.config", "t")
    assert (result.ok, said(result)) == (False, ["error no-root"])
    root = transform(b"<s/>", f'<s {XDT} xdt:Transform="Insert"/>'.encode(), "web.config", "t")
    assert said(root) == ["error no-parent"]


# -- layout ----------------------------------------------------------------------------------------

LAYOUT = {
    "untouched markup": (
        '<s>\n  <a  x=\'1\'\n      y="2"/>\n  <b z="3" />\n  <c />\n<!-- c --></s>\n',
        "<gone xdt:Transform='Remove'/>",
        '<s>\n  <a  x="1"\n      y="2"/>\n  <b z="3" />\n  <c/>\n<!-- c --></s>\n',
    ),
    "a new element has a line with the indent of its siblings": (
        "<s>\r\n    <a/>\r\n</s>",
        "<b xdt:Transform='Insert'><c/></b>",
        "<s>\r\n    <a/>\r\n    <b>\r\n        <c/>\r\n    </b>\r\n</s>",
    ),
    "in an empty element": (
        "<s>\n  <a/>\n</s>",
        "<a><b xdt:Transform='Insert'/></a>",
        "<s>\n  <a>\n    <b/>\n  </a>\n</s>",
    ),
    "a removed element takes its line along": (
        "<s>\n  <a/>\n  <!-- stays -->\n  <b/>\n  <c/>\n</s>",
        "<b xdt:Transform='Remove'/>",
        "<s>\n  <a/>\n  <!-- stays -->\n  <c/>\n</s>",
    ),
    "an attribute for a tag of one a line": (
        '<s>\n  <a x="1"\n     y="2" />\n</s>',
        "<a z='3' xdt:Transform='SetAttributes'/>",
        '<s>\n  <a x="1"\n     y="2"\n     z="3" />\n</s>',
    ),
    "an attribute for a tag on one line": (
        '<s>\n  <a x="1"   y="2" />\n</s>',
        "<a z='3' xdt:Transform='SetAttributes'/>",
        '<s>\n  <a x="1"   y="2" z="3" />\n</s>',
    ),
    "the space before the first attribute stays": (
        '<s>\n  <a  x="1"\n      y="2"    z="3" />\n</s>',
        "<a xdt:Transform='RemoveAttributes(x)'/>",
        '<s>\n  <a  y="2"    z="3" />\n</s>',
    ),
    "a line break stays where an attribute goes": (
        '<s>\n  <a  x="1"\n      y="2"    z="3" />\n</s>',
        "<a xdt:Transform='RemoveAttributes(y)'/>",
        '<s>\n  <a  x="1"\n      z="3" />\n</s>',
    ),
    "a long line is broken as in the sibling": (
        '<s>\n  <n a="1"\n       b="2" />\n  <o/>\n</s>',
        f"<o first='{'x' * 60}' second='{'y' * 120}' xdt:Transform='Replace'/>",
        f'<s>\n  <n a="1"\n       b="2" />\n  <o first="{"x" * 60}"\n       second="{"y" * 120}"/>\n'
        "</s>",
    ),
    "references": (
        "<s a='&#10;&quot;&apos;'>&gt;<![CDATA[<&]]></s>",
        "<q xdt:Transform='RemoveAll' xdt:SupressWarnings='true'/>",
        '<s a="&#xA;&quot;\'">&gt;<![CDATA[<&]]></s>',
    ),
}


@pytest.mark.parametrize(("base", "changes", "text"), LAYOUT.values(), ids=LAYOUT.keys())
def test_layout(base: str, changes: str, text: str) -> None:
    declared = '<?xml version="1.0"?>' + ("\r\n" if "\r" in base else "\n")
    result = transform((declared + base).encode(), f"<s {XDT}>{changes}</s>".encode(), "b", "t")
    assert result.text == declared + text


@pytest.mark.parametrize(
    ("declaration", "encoding", "begins"),
    [
        ("", "utf-8", "<s>é".encode()),
        ("<?xml version='1.0'?>", "utf-8", b'<?xml version="1.0"?>'),
        ("<?xml version='1.0' encoding='utf-8'?>", "utf-8", b'\xef\xbb\xbf<?xml version="1.0" enc'),
        (
            "<?xml version='1.0' encoding='iso-8859-1'?>",
            "iso-8859-1",
            b'<?xml version="1.0" encoding="iso-8859-1"?><s>\xe9',
        ),
        ("<?xml version='1.0' encoding='utf-16'?>", "utf-16", b"\xff\xfe<\x00?\x00"),
    ],
)
def test_encodings(declaration: str, encoding: str, begins: bytes) -> None:
    data = f"{declaration}<s>é</s>".encode(encoding)
    result = transform(data, f"<s {XDT}/>".encode(), "b", "t")
    assert result.data is not None
    assert result.data.startswith(begins)


# -- hostile files ---------------------------------------------------------------------------------

MANY = "<a><b/></a>" * 1500


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (MANY, "<a xdt:Transform='RemoveAll' xdt:Locator='XPath(//*[//*[//*[count(//*)]]])'/>"),
        (MANY, "<a xdt:Transform='RemoveAll' xdt:Locator='XPath(//*/following::*[//*])'/>"),
        ("<a v='x'/>", "<a v='$(v)$(v)$(v)' xdt:Transform='SetTokenizedAttributes(v)'/>" * 60),
        (MANY, "".join(f"<a n{i}='v' xdt:Transform='SetAttributes'/>" for i in range(500))),
    ],
    ids=["predicates", "following", "doubling", "attributes"],
)
def test_work_and_growth_are_bounded(
    base: str, changes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcgiemu.config.xdt.engine.WORK", 200_000)
    assert said(run(base, changes))[-1] == "error too-costly"


def test_depth_is_bounded() -> None:
    step = "<a xdt:Transform='Insert' xdt:Locator='XPath(//*[not(*)])'>" + "<b>" * 60 + "</b>" * 60
    assert "error too-costly" in said(run("<a/>", f"{step}</a>" * 20))
    with pytest.raises(ConfigurationError, match="elements within each other"):
        run("<a>" * 150 + "</a>" * 150, "")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><s>&b;</s>',
        '<!DOCTYPE s SYSTEM "http://127.0.0.1:1/x.dtd"><s/>',
    ],
)
def test_a_doctype_is_refused(text: str) -> None:
    for base, changes in ((text, f"<s {XDT}/>"), ("<s/>", text)):
        with pytest.raises(ConfigurationError) as caught:
            transform(base.encode(), changes.encode(), "web.config", "t.config")
        assert caught.value.finding.code == "config-doctype"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"<s>\n  <a>\n</s>", "t:3:3"),
        (b"", "t:1:1"),
        (b"<s>&nbsp;</s>", "t:1:4"),
        (b'<?xml version="1.0" encoding="klingon"?><s/>', "t:1:1"),
        (b"<s>\xff</s>", "t:1:1"),
        (b"\xff\xfe<", "t:1:1"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_place(data: bytes, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        transform(b"<s/>", data, "b", "t")
    assert str(caught.value.finding.span) == place
    assert caught.value.finding.hint


# -- chains ----------------------------------------------------------------------------------------


def test_a_chain_goes_on_from_each_result_and_ends_at_a_failure() -> None:
    def file(inner: str) -> bytes:
        return f"<s {XDT}>{inner}</s>".encode()

    good = file("<a v='1' xdt:Transform='SetAttributes'/>")
    bad = file("<b xdt:Transform='Insert'/><a xdt:Transform='Vanish'/>")
    last = file("<c xdt:Transform='Insert'/>")
    chain = apply_all(b"<s><a/></s>", "b", [("good", good), ("bad", bad), ("last", last)])
    assert not chain.ok
    assert [one.name for one in chain.applied] == ["good", "bad"]
    assert chain.data == b'<s><a v="1"/></s>'
    whole = apply_all(
        b"<s><a/></s>",
        "b",
        [("good", good), ("bad", bad), ("x", b"<"), ("last", last)],
        keep_going=True,
    )
    assert plain(whole.data.decode()).count("<") == plain('<s><a v="1"/><b/><c/></s>').count("<")
