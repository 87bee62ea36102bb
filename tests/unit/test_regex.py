"""The regular-expression dialect: what is refused, what it means, and that nothing runs for
ever.
"""

from __future__ import annotations

import pytest
import regress
from hypothesis import given, settings
from hypothesis import strategies as st

from fcgiemu.rewrite.regex import Pattern, PatternError, TooComplex


@pytest.mark.parametrize(
    ("pattern", "category"),
    [
        ("*abc", "error_badrepeat"),
        ("(+a)", "error_badrepeat"),
        ("a**", "error_badrepeat"),
        ("a++b", "error_badrepeat"),
        ("^*", "error_badrepeat"),
        (r"\b+", "error_badrepeat"),
        ("(?=a)*", "error_badrepeat"),
        ("^/{C:1}", "error_badrepeat"),
        ("a{x}", "error_badbrace"),
        ("a{,2}", "error_badbrace"),
        ("a{3,2}", "error_badbrace"),
        ("a}", "error_brace"),
        ("a]", "error_brack"),
        ("[a", "error_brack"),
        ("(a", "error_paren"),
        ("a)", "error_paren"),
        ("(?<=a)b", "error_syntax"),
        ("(?<n>a)", "error_syntax"),
        ("(?P<n>a)", "error_syntax"),
        ("(?i)a", "error_syntax"),
        ("(?>a)", "error_syntax"),
        ("(?#c)", "error_syntax"),
        ("[z-a]", "error_range"),
        (r"[a-\d]", "error_range"),
        (r"\xZZ", "error_escape"),
        ("a\\", "error_escape"),
        (r"\101", "error_backref"),
        (r"\1(a)", "error_backref"),
        (r"(a)\2", "error_backref"),
        (r"(a\1)", "error_backref"),
        (r"[\1]", "error_escape"),
        ("[[:nope:]]", "error_ctype"),
        ("()" * 32, "error_complexity"),
        ("a{4294967296}", "error_badbrace"),
        ("((a{1000}){1000}){1000}", "error_complexity"),
        ("(?:" * 2000 + ")" * 2000, "error_stack"),
    ],
)
def test_refused(pattern: str, category: str) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern(pattern, False)
    assert caught.value.category == category
    assert 0 <= caught.value.position <= len(pattern)


@pytest.mark.parametrize(
    ("pattern", "ignore_case", "text", "captures"),
    [
        ("^a$", False, "a\n", ("a",)),  # $ also at line ends, where only \n counts
        ("^b", False, "a\nb", ("b",)),
        ("a.b", False, "a\rb", None),
        ("a.b", False, "a\u2028b", ("a\u2028b",)),
        (r"^\d+$", False, "\u0661", None),
        (r"^\w+$", False, "café", None),
        ("^k$", True, "\u212a", None),  # no Unicode folding
        ("ABC", True, "xabcx", ("abc",)),
        ("[]", False, "a", None),
        ("[^]", False, "\n", ("\n",)),
        (r"[\w-.]+", False, "a-b.c", ("a-b.c",)),
        ("[a-]", False, "-", ("-",)),
        ("[[]", False, "[", ("[",)),
        ("^[[:digit:]]+$", False, "123", ("123",)),
        ("(a)|b", False, "b", ("b", "")),  # a group that took no part is empty
        (r"(a)|b\1c", False, "bc", ("bc", "")),
        (r"\/\-\.\%\_\:\@", False, "/-.%_:@", ("/-.%_:@",)),
        (r"\cA", False, "\x01", ("\x01",)),
        (r"\x41\u0042", False, "AB", ("AB",)),
        ("a{2,3}?", False, "aaa", ("aa",)),
        ("(?:a|b)+?(c)", False, "abc", ("abc", "c")),
        ("a|ab", False, "ab", ("a",)),  # the first alternative that works, not the longest
        ("^(?!api/).*$", False, "x", ("x",)),
        ("", False, "a", ("",)),
        ("^..$", False, "\U0001f600", ("\U0001f600",)),  # UTF-16 code units
        ("^x(\U0001f600+)", True, "X\U0001f600", ("X\U0001f600", "\U0001f600")),
        ("a||b", False, "c", ("",)),
    ],
)
def test_meaning(
    pattern: str, ignore_case: bool, text: str, captures: tuple[str, ...] | None
) -> None:
    assert Pattern(pattern, ignore_case).search(text) == captures


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|aa)+$", "^([a-z]+)*$", "^" + "(a|aa)" * 30 + "b?$"]
)
def test_what_would_run_for_ever_is_given_up(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fcgiemu.rewrite.regex.REGEX_SECONDS", 0.005
    )  # the quickest of them takes ten times as long
    text = "a" * 5000 + "!"
    with pytest.raises(TooComplex):
        Pattern(pattern, False).search(text)


ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        ".",
        "[ab]",
        "[^a]",
        "[a-c]",
        r"\d",
        r"\w",
        "(a)",
        "(?:ab)",
        "(a|b)",
        "(?=a)",
        "(?!b)",
        "^",
        "$",
        r"\.",
        "-",
    ]
)
PIECES = st.builds(
    lambda atom, count: atom + (count if not atom.startswith(("^", "$", "(?=", "(?!")) else ""),
    ATOMS,
    st.sampled_from(["", "", "*", "+", "?", "*?", "{2}", "{1,2}"]),
)
PATTERNS = st.lists(PIECES, max_size=6).map("".join) | st.tuples(
    st.lists(PIECES, max_size=3).map("".join), st.lists(PIECES, max_size=3).map("".join)
).map("|".join)


@settings(max_examples=400, deadline=None)
@given(PATTERNS, st.text("abc1-.", max_size=12), st.booleans())
def test_agrees_with_another_ecmascript_engine(pattern: str, text: str, ignore_case: bool) -> None:
    ours = Pattern(pattern, ignore_case).find(text, 0)
    theirs = regress.Regex(pattern, "i" if ignore_case else "").find(text)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert (ours.start(), ours.end()) == (theirs.range().start, theirs.range().stop)


@settings(max_examples=300, deadline=None)
@given(st.text("ab(){}[]*+?|^$\\.:=!<-,01xu", max_size=14))
def test_any_text_is_refused_or_works(pattern: str) -> None:
    try:
        compiled = Pattern(pattern, True)
    except PatternError:
        return
    captures = compiled.search("ab" * 10)
    assert captures is None or len(captures) == compiled.groups + 1
