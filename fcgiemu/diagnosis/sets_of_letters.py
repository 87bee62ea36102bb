"""Sets of letters in the patterns of rules that are meant as words, such as ``[^www]``.

A set is meant as a word where it holds a letter twice, where its letters are a word that URLs are
made of, or the name of a file or folder of the site. Others are sets: ``[^abc]``, ``[^/]``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from xml.sax.saxutils import quoteattr

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite.rule import Rule
from .rewrite_patterns import escaped

#: A set that holds one letter twice, as nobody writes who means a set.
_SET = re.compile(r"\[\^?([A-Za-z]{3,})(?:\\?\.)?\]")
#: A set that holds alternatives or a group, as nobody writes who means a set.
_CHOICE = re.compile(r"\[\^?(\([A-Za-z|]{2,}\)|\\?\.?[A-Za-z]{2,}(?:\|\\?\.?[A-Za-z]{2,})+)\]")
#: A set of all but a word: a name, an extension, a path.
_ALL_BUT = re.compile(r"\[[\^!]((?:\\?[/.])?[A-Za-z]{2,}(?:\\?[./-][A-Za-z]{2,})*(?:\\?[/.*])?)\]")
#: Words of URLs whose letters alone do not show that they are words.
_WORDS = frozenset(
    """admin api app asp aspx auth bin blog cdn cgi css dev doc docs font fonts home html icon icons
    img index js json lib login logs man media new news old page pages pdf php png pub shop site src
    static test tmp upload uploads user users web www xhtml xml""".split()
)
#: Extensions of files, as people list them.
_EXTENSION = re.compile(
    r"(?i)jpe?g|png|gif|bmp|ico|svg|webp|css|js|mjs|map|json|xml|txt|pdf|zip|html?|php|aspx?|axd"
    r"|woff2?|ttf|eot|otf|mp[34]|webm"
)
_QUANTIFIER = re.compile(r"(?:[+*?]|\{\d*,?\d*\})\??")


def findings(rule: Rule, names: Container[str]) -> Iterator[Finding]:
    """A set of letters of a rule that is meant as a word; ``names`` are those of the files and
    folders in the root of the site, in lower case.
    """
    if rule.pattern_syntax != "ECMAScript":
        return
    patterns = [(rule.pattern or "", "url", rule.negate, rule.span)]
    for condition in rule.conditions:
        if condition.match_type == "Pattern":
            name = condition.input.source.strip().upper()
            patterns.append((condition.pattern, name, condition.negate, condition.span))
    for pattern, name, negate, span in patterns:
        if found := _meant(pattern, name, negate, names):
            word, letters, meant = found
            yield finding(
                "rewrite-set-of-letters", span, rule=rule.name, set=letters, word=word, meant=meant
            )
            return


def _meant(
    pattern: str, name: str, negate: bool, names: Container[str]
) -> tuple[str, str, str] | None:
    """The first word of a pattern that is written as a set, the set, and what was meant for it."""
    attribute = "url" if name == "url" else "pattern"
    for found in _ALL_BUT.finditer(pattern):
        word = found[1].replace("\\", "")
        if _is_path(word, names) and not negate and not _is_alone(pattern, found, name):
            meant = _without_word(pattern, found, word, name)
            return word, found[0], f"{attribute}={quoteattr(meant)}"
    for found in [*_SET.finditer(pattern), *_CHOICE.finditer(pattern), *_ALL_BUT.finditer(pattern)]:
        if _is_word(found[1].lower()) or _is_path(found[1], names):
            meant = f"{attribute}={quoteattr(_with_words(pattern, found, name))}"
            if _is_negated(found):  # a set of all other letters, which a word cannot be
                meant += f' negate="{str(not negate).lower()}"'
            return found[1], found[0], meant
    return None


def _is_negated(found: re.Match[str]) -> bool:
    return found[0].startswith("[^")


def _is_alone(pattern: str, found: re.Match[str], name: str) -> bool:
    """Whether a condition is about a word alone, so that it can be negated."""
    is_host = name in ("{HTTP_HOST}", "{SERVER_NAME}")
    return is_host or name != "url" and not pattern[: found.start()].strip("^")


def _is_word(letters: str) -> bool:
    """Whether the letters of a set are meant as a word: one twice, or vowels among others in no
    order.
    """
    if not letters.isalpha() or len(set(letters)) < len(letters):
        return not set(letters) & set("/.\\-*") or _is_word(re.sub(r"[^a-z]", "", letters))
    vowels = set(letters) & set("aeiou")
    return len(letters) > 3 and 0 < len(vowels) < len(letters) and list(letters) != sorted(letters)


def _is_path(word: str, names: Container[str]) -> bool:
    """Whether the signs of a set are a path, the name of a file or an extension."""
    text = word.lower().replace("\\", "").strip("/*.")
    parts = re.split(r"[./]", text)
    return (
        text in names
        or word.startswith(".")
        and _EXTENSION.fullmatch(text) is not None
        or all(part in _WORDS and len(part) > 2 or _is_word(part) for part in parts)
    )


def _without_word(pattern: str, found: re.Match[str], word: str, name: str) -> str:
    """A pattern that excludes the word which a set was meant to exclude."""
    head, tail = pattern[: found.start()], pattern[found.end() :]
    quantifier = _QUANTIFIER.match(tail)
    many = f".{quantifier[0]}" if quantifier else ""
    tail = tail[quantifier.end() :] if quantifier else tail
    text = escaped(word.lstrip("/") if name == "url" else word).rstrip("*")
    text = text.removesuffix("\\")
    rest = tail.strip(")")
    is_last = word.startswith(".") or rest == "$" or not rest and head.strip("^(") != ""
    if is_last and _EXTENSION.fullmatch(word.strip(".")):
        many = many or ".*" * (rest == "$" and not head.strip("^("))
        return f"^(?!.*\\.{word.strip('.')}$){head.removeprefix('^')}{many}{tail}"
    if not head.strip("("):
        head = f"^{head}"
    return f"{head}(?!{text}){many}{tail}"


def _with_words(pattern: str, found: re.Match[str], name: str) -> str:
    """A pattern with the words that a set of letters was meant to be."""
    words = re.sub(r"[().\\]", "", found[1]).split("|")
    head, tail = pattern[: found.start()], pattern[found.end() :]
    tail = _QUANTIFIER.sub("", tail, count=1) if _QUANTIFIER.match(tail) else tail
    if all(map(_EXTENSION.fullmatch, words)):
        head = re.sub(r"\\?\.\??$", "", head) + r"\."
        tail = tail or "$"
    elif name in ("{HTTP_HOST}", "{SERVER_NAME}") and len(words) == 1:
        tail = r"\."
    return head + (words[0] if len(words) == 1 else f"(?:{'|'.join(words)})") + tail
