"""The transforms: what each does to its targets.

Every function here is given a Step: the element of the transform file with its Transform's
arguments, and the targets in the base file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .document import (
    MAX_DEPTH,
    XML_NAMESPACE,
    XMLNS_NAMESPACE,
    Child,
    XmlAttribute,
    XmlDocument,
    XmlElement,
    XmlNode,
    XmlText,
)
from .locators import TRANSFORM_NAMESPACE, split_arguments
from .messages import MessageLog, TransformFailed
from .xpath import XPathBudget, select
from .xpath_syntax import BadPath

#: Namespace whose types InsertOrAppendAttribute is found among, once it is imported.
EXTENSIONS = "Microsoft.Web.Xdt.Extensions"
_TOKEN = re.compile(r"\$\(([\w:.]+)\)")


@dataclass(kw_only=True, slots=True)
class TransformStep:
    """One execution of a Transform: its element, what it may change, and where it says so."""

    name: str
    element: XmlElement
    #: The attribute that names the Transform; warnings are placed there.
    attribute: XmlAttribute
    arguments_text: str
    base: XmlDocument
    #: The nodes to work on: those of the path, or for the Insert family those of the parent's path.
    targets: list[XmlNode]
    #: The nodes of the element's own path.
    own: Callable[[], list[XmlNode]]
    log: MessageLog
    budget: XPathBudget
    #: The target that is worked on now, and the copy of the element to put there.
    target: XmlNode
    copy: XmlElement

    @property
    def arguments(self) -> list[str]:
        """The arguments, split at commas."""
        return split_arguments(self.arguments_text)

    def warn(self, code: str, text: str, about: str) -> None:
        """A warning at the Transform attribute."""
        self.log.warn(code, text, about, self.attribute.span)


# -- copies ----------------------------------------------------------------------------------------


def copied(element: XmlElement, budget: XPathBudget) -> XmlElement:
    """A copy of an element of a transform file as it is inserted: without xdt attributes and
    namespace declarations, and without white space between markup, at every depth.
    """
    copy = XmlElement(element.name, element.scope, element.source, element.offset)
    copy.original = False
    copy.empty = element.empty
    for attribute in element.attributes:
        if attribute.namespace in (TRANSFORM_NAMESPACE, XMLNS_NAMESPACE):
            continue
        kept = attribute.copy()
        if kept.namespace != XML_NAMESPACE:
            kept.name = kept.local
        kept.parent = copy
        copy.attributes.append(kept)
        budget.spend(8 + len(kept.value) // 16)
    for child in element.children:
        budget.spend(12)
        if isinstance(child, XmlElement):
            inner: Child = copied(child, budget)
        elif child.kind == "space":
            continue
        else:
            budget.spend(len(child.value) // 16)
            inner = XmlText(
                child.kind, child.value.replace("\r\n", "\n"), child.source, child.offset
            )
        inner.parent = copy
        copy.children.append(inner)
    return copy


# -- elements --------------------------------------------------------------------------------------


def _expect_no_arguments(step: TransformStep) -> None:
    if step.arguments_text:
        step.warn(
            "arguments-ignored",
            f"{step.name} takes no arguments; they count for nothing",
            step.name,
        )


def _expect_one_target(step: TransformStep) -> None:
    if len(step.targets) > 1:
        step.warn(
            "several-targets",
            f"{len(step.targets)} elements are meant, and {step.name} changes only the first",
            step.name,
        )


def _child(node: XmlNode) -> Child:
    """A target that can be taken out of the tree. Raises Failed for an attribute or the root's
    parent, which have no place among children.
    """
    if not isinstance(node, XmlElement | XmlText) or node.parent is None:
        raise TransformFailed(
            "path-not-element", "The path leads to something that is not an element"
        )
    return node


def _named(node: XmlNode) -> str:
    return node.name if isinstance(node, XmlElement | XmlAttribute) else "#text"


def _check_depth(node: XmlNode) -> None:
    """Refuse to let a file grow deeper and deeper by elements inserted into inserted ones."""
    depth = 0
    place = node.parent
    while place is not None:
        depth += 1
        place = place.parent
    if depth > MAX_DEPTH:
        raise TransformFailed("too-costly", f"The place is more than {MAX_DEPTH} levels deep")


def _replace(step: TransformStep) -> None:
    _expect_no_arguments(step)
    _expect_one_target(step)
    _check_depth(step.target)
    step.base.replace(_child(step.target), step.copy)
    step.log.say(f"replaced '{_named(step.target)}'")


def _remove(step: TransformStep) -> None:
    _expect_one_target(step)
    _remove_each(step)


def _remove_each(step: TransformStep) -> None:
    _expect_no_arguments(step)
    step.base.remove(_child(step.target))
    step.log.say(f"removed '{_named(step.target)}'")


def _parent(step: TransformStep) -> XmlElement:
    if isinstance(step.target, XmlDocument):
        raise TransformFailed("no-parent", "A file has only one root element")
    if not isinstance(step.target, XmlElement):
        raise TransformFailed(
            "path-not-element", "The path leads to something that is not an element"
        )
    return step.target


def _append(step: TransformStep) -> None:
    parent = _parent(step)
    _check_depth(parent)
    step.base.insert(parent, len(parent.children), step.copy)
    step.log.say(f"inserted '{step.copy.name}'")


def _insert(step: TransformStep) -> None:
    _expect_no_arguments(step)
    _append(step)


def _insert_if_missing(step: TransformStep) -> None:
    _expect_no_arguments(step)
    if not step.own():
        _append(step)


def _sibling(step: TransformStep) -> XmlElement:
    """The element that an argument of InsertBefore or InsertAfter leads to. Raises Failed."""
    arguments = step.arguments
    if not arguments:
        raise TransformFailed("path-missing", f"{step.name} needs the path of a sibling", step.name)
    if len(arguments) > 1:
        raise TransformFailed(
            "argument-count", f"{step.name} needs one path and has {len(arguments)}", step.name
        )
    path = arguments[0]
    try:
        found = select(path, step.target, step.base, {}, step.budget)
    except BadPath as error:
        raise TransformFailed(
            "bad-path", f"'{path}' is not a path that can be used: {error}", path
        ) from error
    if not found:
        raise TransformFailed("no-match", f"No element is at '{path}'", path)
    if not isinstance(found[0], XmlElement) or not isinstance(found[0].parent, XmlElement):
        raise TransformFailed("path-not-element", f"'{path}' finds no element below the root", path)
    return found[0]


def _insert_beside(step: TransformStep) -> None:
    sibling = _sibling(step)
    parent = sibling.parent
    assert isinstance(parent, XmlElement)
    _check_depth(parent)
    place = parent.children.index(sibling) + (step.name == "InsertAfter")
    step.base.insert(parent, place, step.copy)
    step.log.say(f"inserted '{step.copy.name}'")


def _comment_out(step: TransformStep) -> None:
    if isinstance(step.target, XmlElement):
        markup = XmlText("comment", f" {markup_of(step.target)} ", step.element.source)
        step.base.replace(step.target, markup)
        step.log.say(f"commented out '{step.target.name}'")


def markup_of(element: XmlElement) -> str:
    """An element as plain markup: one blank before each attribute and before ``/>``."""
    attributes = "".join(
        f' {attribute.name}="{escaped(attribute.value, in_attribute=True)}"'
        for attribute in element.attributes
    )
    if element.empty:
        return f"<{element.name}{attributes} />"
    content = "".join(
        markup_of(child) if isinstance(child, XmlElement) else text_markup(child)
        for child in element.children
    )
    return f"<{element.name}{attributes}>{content}</{element.name}>"


def text_markup(node: XmlText) -> str:
    """A node that is not an element, as markup."""
    value = node.value
    if node.kind == "comment":
        return f"<!--{value}-->"
    if node.kind == "cdata":
        return f"<![CDATA[{value}]]>"
    if node.kind == "instruction":
        return f"<?{value}?>"
    return escaped(value, in_attribute=False)


def escaped(text: str, *, in_attribute: bool) -> str:
    """Text with what markup needs replaced; line breaks in attributes become references, as the
    writer of .NET has it.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if in_attribute:
        text = text.replace('"', "&quot;").replace("\n", "&#xA;").replace("\r", "&#xD;")
    return text


# -- attributes ------------------------------------------------------------------------------------


def _attributes(step: TransformStep, element: XmlElement) -> list[XmlAttribute]:
    """The attributes of an element that the arguments name, all without arguments; warns of each
    argument that names none.
    """
    arguments = step.arguments
    for argument in arguments:
        if not _select_attributes(step, element, [argument]):
            step.warn(
                "argument-without-attribute",
                f"'{argument}' names no attribute of '{element.name}'",
                argument,
            )
    return _select_attributes(step, element, arguments or ["*"])


def _select_attributes(
    step: TransformStep, element: XmlElement, names: list[str]
) -> list[XmlAttribute]:
    path = "|".join("@" + name for name in names)
    try:
        found = select(path, element, step.base, {}, step.budget)
    except BadPath as error:
        raise TransformFailed(
            "bad-path", f"'{path}' is not a path that can be used: {error}", path
        ) from error
    chosen = set(found)
    return [attribute for attribute in element.attributes if attribute in chosen]


def _target(step: TransformStep) -> XmlElement:
    if not isinstance(step.target, XmlElement):
        raise TransformFailed(
            "path-not-element", "The path leads to something that is not an element"
        )
    return step.target


def _set_attributes(step: TransformStep) -> None:
    _set(step, lambda attribute: attribute.value)


def _set_tokenized(step: TransformStep) -> None:
    _set(step, lambda attribute: _with_tokens(step, attribute))


def _set(step: TransformStep, value_of: Callable[[XmlAttribute], str]) -> None:
    target = _target(step)
    attributes = _attributes(step, step.copy)
    for attribute in attributes:
        put_attribute(step, target, attribute.name, value_of(attribute), attribute)
        step.log.say(f"set '{attribute.name}'")
    if not attributes:
        step.warn("nothing-to-set", "No attribute is left to set", "")


def put_attribute(
    step: TransformStep, target: XmlElement, name: str, value: str, like: XmlAttribute | None = None
) -> None:
    """Set an attribute in place, or append it."""
    step.budget.spend(8 + len(value) // 4)
    present = target.attribute(name)
    if present is not None:
        present.value = value
        return
    added = like.copy() if like is not None else XmlAttribute(name, "", value)
    added.value, added.parent = value, target
    target.attributes.append(added)
    step.base.forget_order()


def _with_tokens(step: TransformStep, attribute: XmlAttribute) -> str:
    """``$(name)`` becomes that attribute of the target, else of the transform element; an
    apostrophe in it becomes ``&apos;``, which nothing turns back outside of a packaging tool.
    """
    target = _target(step)

    def value(match: re.Match[str]) -> str:
        found = target.attribute(match[1])
        if found is None and match[1].lower() != attribute.name.lower():
            found = step.copy.attribute(match[1])
        text = match[0] if found is None else found.value.replace("'", "&apos;")
        step.budget.spend(1 + len(text) // 4)
        return text

    return _TOKEN.sub(value, attribute.value)


def _remove_attributes(step: TransformStep) -> None:
    target = _target(step)
    attributes = _attributes(step, target)
    for attribute in attributes:
        target.attributes.remove(attribute)
        step.log.say(f"removed '{attribute.name}'")
    step.base.forget_order()
    if not attributes:
        step.log.warn(
            "nothing-to-remove",
            f"'{target.name}' has no attribute left to remove",
            target.name,
            target.span,
        )


def _insert_or_append(step: TransformStep) -> None:
    """InsertOrAppendAttribute(Attribute='value') of ASP.NET Core's site extension: the element if
    it is missing, else the value behind a ``;`` in every element that is there.
    """
    name = _argument(step, "Attribute")
    found = [node for node in step.own() if isinstance(node, XmlElement)]
    if not found:
        _append(step)
        return
    given = next((each for each in step.copy.attributes if each.name.lower() == name.lower()), None)
    if given is None:
        raise TransformFailed(
            "argument-without-attribute", "The argument names no attribute to append", name
        )
    for target in found:
        present = next((a for a in target.attributes if a.name.lower() == name.lower()), None)
        if present is None:
            put_attribute(step, target, name, given.value)
        elif present.value == given.value:
            return
        else:
            joined = f"{present.value};{given.value}" if present.value else given.value
            put_attribute(step, target, present.name, joined)


def _argument(step: TransformStep, name: str) -> str:
    """The value of an argument ``name='value'``; quotes may be missing."""
    for argument in step.arguments:
        key, equals, value = argument.strip().partition("=")
        if equals and key.strip().lower() == name.lower():
            return value.strip().strip("'")
    raise TransformFailed("argument-count", f"{step.name} needs the argument {name}=...", step.name)


@dataclass(frozen=True, slots=True)
class Transform:
    """How a Transform is run: on every target or on the first, on the parent, and whether a missing
    target is an error.
    """

    apply: Callable[[TransformStep], None]
    every: bool = False
    on_parent: bool = False


TRANSFORMS: dict[str, Transform] = {
    "Replace": Transform(_replace),
    "Remove": Transform(_remove),
    "RemoveAll": Transform(_remove_each, every=True),
    "Insert": Transform(_insert, on_parent=True),
    "InsertIfMissing": Transform(_insert_if_missing, on_parent=True),
    "InsertBefore": Transform(_insert_beside, on_parent=True),
    "InsertAfter": Transform(_insert_beside, on_parent=True),
    "SetAttributes": Transform(_set_attributes, every=True),
    "SetTokenizedAttributes": Transform(_set_tokenized, every=True),
    "RemoveAttributes": Transform(_remove_attributes, every=True),
    "CommentOut": Transform(_comment_out),
}
#: Those of other assemblies, by the namespace that an Import names.
IMPORTED: dict[str, dict[str, Transform]] = {
    EXTENSIONS: {"InsertOrAppendAttribute": Transform(_insert_or_append, on_parent=True)}
}
