"""The index of a list of rules: whatever it leaves out would not have matched."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.site import Site

RULES = """
<rule name="exact" patternSyntax="ExactMatch"><match url="Sub/One" /><action type="None" /></rule>
<rule name="star" patternSyntax="Wildcard"><match url="img/*.png" /><action type="None" /></rule>
<rule name="literal"><match url="^old/(.*)" /><action type="Rewrite" url="new/{R:1}" /></rule>
<rule name="no" enabled="true"><match url="^old/" negate="true" /><action type="None" /></rule>
<rule name="case"><match url="^New/a" ignoreCase="false" /><action type="None" /></rule>
<rule name="new"><match url="^NEW/" /><action type="None" /></rule>
<rule name="either"><match url="^x|y$" /><action type="None" /></rule>
<rule name="optional"><match url="^xz?" /><action type="None" /></rule>
<rule name="accent"><match url="^café" /><action type="None" /></rule>
<rule name="any"><match url=".*" /><action type="None" /></rule>
"""


@pytest.mark.parametrize(
    ("url", "applied"),
    [
        ("/sub/one", ["exact", "no", "any"]),
        ("/IMG/a/b.PNG", ["star", "no", "any"]),
        ("/OLD/a", ["literal", "no", "new", "any"]),
        ("/New/a", ["no", "case", "new", "any"]),
        ("/x", ["no", "either", "optional", "any"]),
        ("/ay", ["no", "either", "any"]),
        ("/caf%C3%A9", ["no", "accent", "any"]),
        ("/", ["no", "any"]),
    ],
)
def test_a_trace_and_no_trace_agree(tmp_path: Path, url: str, applied: list[str]) -> None:
    (tmp_path / "web.config").write_text(
        f"<configuration><system.webServer><rewrite><rules>{RULES}</rules></rewrite>"
        "</system.webServer></configuration>",
        "utf-8",
    )
    site = Site(tmp_path)
    answer = site.explain(url)
    assert answer["rules"] == applied
    assert site.explain(url, events=False)["rules"] == applied
    told = [event for event in answer["events"] if event["name"] == "RULE_EVALUATION_START"]
    assert len(told) == 10
