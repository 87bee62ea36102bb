"""XPath 1.0 of the transforms, compared with lxml's on one document."""

from __future__ import annotations

import pytest
from lxml import etree

from fcgiemu.config.xdt.document import XmlAttribute, XmlElement, XmlNode, XmlText, parse
from fcgiemu.config.xdt.xpath import Exhausted, XPathBudget, select
from fcgiemu.config.xdt.xpath_syntax import MAX_NESTING, BadPath

DOCUMENT = """<r xmlns:p="urn:p"><a n="1" v="x">t1<b n="2"/><!-- c --><b n="3" v="">12</b></a>
<p:a n="4"><b n="5"><c n="6" v="x y"/><c n="7">3.5</c></b></p:a><a n="8"/>
<div n="9"><and n="10" v="x"/><a n="11" mod="2">  two  words </a></div></r>"""

PATHS = """
/r/a
/r/a[@n='1']
/r/a[@n='1' and @v='x']/b
/r/*
//b
//b[1]
(//b)[1]
//b[last()]
//b[position() > 1]
//*[@v]
//@n
//@*
//text()
//comment()
/r/a/b/..
//c/ancestor::*
//c/ancestor-or-self::*[1]
//c/parent::b
//b/following-sibling::*
//b/preceding-sibling::node()
//b/following::*
//c/preceding::*
//div/descendant::*
//div/descendant-or-self::*
//p:a/b
//p:*
//a | //p:a | //a
//*[self::a or self::b]
//*[not(@v)]
//*[contains(@v, 'x')]
//*[starts-with(@v, 'x ')]
//*[substring-before(@v, ' ') = 'x']
//*[substring-after(@v, ' ') = 'y']
//*[substring(@v, 2, 1) = ' ']
//*[string-length(@v) = 3]
//*[normalize-space() = 'two words']
//*[translate(@v, 'xy', 'XY') = 'X Y']
//*[concat(@n, @v) = '1x']
//*[count(*) = 2]
//*[count(*) > count(b)]
//*[sum(*/@n) = 13]
//*[number(.) = 3.5]
//*[. = 12]
//*[@n = 2 or @n = 3]
//*[@n != 2]
//*[@n < 3 and @n >= 2]
//*[@n * 2 = 12]
//*[@n div 2 = 4]
//*[@n mod 4 = 1]
//*[@n - 1 = 1]
//*[-@n = -8]
//*[floor(@n div 4) = 2]
//*[ceiling(@n div 4) = 2]
//*[round(@n div 4) = 2]
//*[local-name() = 'a']
//*[name() = 'p:a']
//*[namespace-uri() = 'urn:p']
//*[true()]
//*[false()]
//*[boolean(@v)]
//*[string(@v)]
//div/and
//div/a/@mod
//a[b][2]
//a[b[@n='3']]
/descendant::c[2]
/r/./a
""".strip().splitlines()


@pytest.mark.parametrize("path", PATHS)
def test_the_same_nodes_as_lxml(path: str) -> None:
    document = parse(DOCUMENT.encode(), "d")
    tree = etree.fromstring(DOCUMENT).getroottree()
    namespaces = {"p": "urn:p"}
    expected = [_of_lxml(found) for found in tree.xpath(path, namespaces=namespaces)]
    found = select(path, document, document, namespaces, XPathBudget(100_000))
    assert [_ours(node) for node in found if not _is_document(node)] == expected


def _of_lxml(found: object) -> str:
    if isinstance(found, etree._Comment):
        return f"comment {found.text}"
    if isinstance(found, etree._Element):
        return f"element {found.get('n')}"
    return f"text {found}"


def _ours(node: XmlNode) -> str:
    if isinstance(node, XmlElement):
        number = node.attribute("n")
        return f"element {number.value if number else None}"
    if isinstance(node, XmlAttribute):
        return f"text {node.value}"
    assert isinstance(node, XmlText)
    return f"{'comment' if node.kind == 'comment' else 'text'} {node.value}"


def _is_document(node: XmlNode) -> bool:
    return not isinstance(node, XmlElement | XmlAttribute | XmlText)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "a name is missing"),
        ("/r/", "a name is missing"),
        ("/r[", "a name is missing"),
        ("/r[1", "']' is missing"),
        ("/r[@n='1]", "cannot be read"),
        ("/r a", "'a' is not expected"),
        ("q:r", "the prefix 'q' is not declared"),
        ("$x", "there is no variable $x"),
        ("near::r", "there is no axis 'near'"),
        ("r[nearly(1)]", "there is no function nearly()"),
        ("r[contains('a')]", "contains() has the wrong number of arguments"),
        ("r[count('a')]", "count() requires nodes"),
        ("count(//a)", "it gives no nodes but a value"),
        ("'a' | //a", "'|' stands between values that are not nodes"),
        ("('a')/b", "a step follows a value that is not nodes"),
        ("(" * (MAX_NESTING + 1) + "a" + ")" * (MAX_NESTING + 1), "nested more than"),
        ("a" * 40_000, "longer than"),
        ("r[é!]", "cannot be read"),
    ],
)
def test_what_cannot_be_read_says_why(path: str, why: str) -> None:
    document = parse(DOCUMENT.encode(), "d")
    with pytest.raises(BadPath) as caught:
        select(path, document, document, {}, XPathBudget(100_000))
    assert why in str(caught.value)


def test_no_path_takes_longer_than_its_budget() -> None:
    document = parse(b"<r>" + b"<a><b/></a>" * 200 + b"</r>", "d")
    with pytest.raises(Exhausted):
        select("//*[//*[//*[//*]]]", document, document, {}, XPathBudget(50_000))
