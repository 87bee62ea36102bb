"""What rules may make of one request: texts, their sum, and what outbound rules add to a response."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.rewrite.inferred_behaviours import POLICY
from fcgiemu.site import Site

FOUR = "{R:1}" * 4


def site(folder: Path, rules: str, more: str = "") -> Site:
    (folder / "web.config").write_text(
        f"<configuration><system.webServer><rewrite>{more}<rules>{rules}</rules></rewrite>"
        "</system.webServer></configuration>"
    )
    return Site(folder)


def repeated(count: int, inside: str) -> str:
    return "".join(f'<rule name="r{number}">{inside}</rule>' for number in range(count))


@pytest.mark.parametrize(
    ("rules", "more"),
    [
        (repeated(20, f'<match url="^g(.*)" /><action type="Rewrite" url="g{FOUR}" />'), ""),
        (
            repeated(
                40,
                '<match url=".*" /><action type="Rewrite" url="g?{QUERY_STRING}{QUERY_STRING}" />',
            ),
            "",
        ),
        (
            repeated(
                40,
                '<match url=".*" /><conditions><add input="{QUERY_STRING}" pattern="(.*)" />'
                '</conditions><action type="Rewrite" url="g?{C:1}{C:0}{C:1}" />',
            ),
            "",
        ),
        (
            repeated(
                60,
                '<match url=".*" /><serverVariables><set name="HTTP_X" value="{HTTP_X}{HTTP_X}a" />'
                "</serverVariables>",
            ),
            '<allowedServerVariables><add name="HTTP_X" /></allowedServerVariables>',
        ),
        (
            repeated(1, f'<match url="(.*)" /><action type="Redirect" url="{FOUR * 5000}" />'),
            "",
        ),
        (
            repeated(
                1,
                '<match url="(.*)" /><action type="CustomResponse" statusCode="403"'
                f' statusReason="{FOUR * 5000}" />',
            ),
            "",
        ),
        (
            repeated(1, '<match url=".*" /><action type="Rewrite" url="{M:a}{M:a}{M:a}" />'),
            f'<rewriteMaps><rewriteMap name="M"><add key="a" value="{"x" * 20_000}" /></rewriteMap>'
            "</rewriteMaps>",
        ),
    ],
    ids=["path", "query", "condition", "variable", "redirect", "reason", "map"],
)
def test_growth_ends_with_500_50(tmp_path: Path, rules: str, more: str) -> None:
    outcome = site(tmp_path, rules, more).explain("/gabc?a=b%20c")["outcome"]
    assert (outcome["status"], outcome["substatus"]) == (500, 50)
    assert f"more than {POLICY.text_limit} characters" in outcome["message"]


def test_the_sum_of_all_texts_is_bounded(tmp_path: Path) -> None:
    rules = repeated(
        40,
        '<match url=".*" /><serverVariables><set name="HTTP_X" value="{M:a}" /></serverVariables>',
    )
    outcome = site(
        tmp_path,
        rules,
        '<allowedServerVariables><add name="HTTP_X" /></allowedServerVariables>'
        f'<rewriteMaps><rewriteMap name="M"><add key="a" value="{"x" * 32_000}" /></rewriteMap>'
        "</rewriteMaps>",
    ).explain("/a")["outcome"]
    assert (outcome["status"], outcome["substatus"]) == (500, 50)
    assert str(POLICY.request_limit) in outcome["message"]


def test_a_long_text_below_the_limit_is_left_to_request_filtering(tmp_path: Path) -> None:
    rules = repeated(7, f'<match url="^g(.*)" /><action type="Rewrite" url="g{FOUR}" />')
    outcome = site(tmp_path, rules).explain("/ga")["outcome"]
    assert (outcome["status"], outcome["substatus"]) == (404, 14)


def test_outbound_rules_add_a_bounded_number_of_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    rules = repeated(
        14, f'<match pattern="([^]*)" /><action type="Rewrite" value="{FOUR}" />'
    ).replace("<rule ", '<rule preCondition="" ')
    (tmp_path / "web.config").write_text(
        "<configuration><system.webServer><rewrite><outboundRules>"
        f"{rules}</outboundRules></rewrite></system.webServer></configuration>"
    )
    answer = Site(tmp_path).explain("/a.txt", response={"status": 200, "body": "y" * 1000})
    assert (answer["outcome"]["status"], answer["outcome"]["substatus"]) == (500, 52)
