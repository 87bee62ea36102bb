"""Long lists of rules: what the index leaves out would not have matched, and what folders inherit is
compiled once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.rewrite.compiler import inbound
from fcgiemu.rewrite.rule import Rule
from fcgiemu.site import Site

from ..sites import web_config, write

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


def inherited(tmp_path: Path, **folders: str) -> dict[str, Rule]:
    """Folder -> the first rule that it inherits from a root that names a map."""
    asks = (
        '<rule name="r"><match url="(.*)" /><action type="Redirect" url="{M:{R:1}}{X:1}" /></rule>'
    )
    maps = '<rewriteMaps><rewriteMap name="M" defaultValue="a" /></rewriteMaps>'
    write(tmp_path, {"web.config": web_config(f"<rewrite>{maps}<rules>{asks}</rules></rewrite>")})
    for name, inner in folders.items():
        write(tmp_path, {f"{name}/web.config": web_config(f"<rewrite>{inner}</rewrite>")})
    site = Site(tmp_path)
    compiled = {name: site.effective(f"/{name}/x").view(inbound) for name in folders}
    # what is wrong with it is said in every folder, whoever compiled it
    assert all(
        [one.code for one in known.errors] == ["rewrite-bad-template"]
        for known in compiled.values()
    )
    return {name: known.rules[0] for name, known in compiled.items()}


def test_a_rule_that_folders_inherit_is_compiled_once(tmp_path: Path) -> None:
    own = '<rules><rule name="own"><match url="x" /><action type="None" /></rule></rules>'
    other = '<rewriteMaps><rewriteMap name="N" /></rewriteMaps>'
    found = inherited(tmp_path, a=own, b=own, c=other)
    assert found["a"] is found["b"]
    assert found["a"] is not found["c"]  # the maps are others there
