"""Error pages whose path is absolute, and entries that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import web_config, write

ABSOLUTE = (
    '<httpErrors errorMode="Custom"><remove statusCode="404" />'
    '<error statusCode="404" path="C:\\pages\\gone.txt" /></httpErrors>'
)
ALLOWED = (
    "<configuration><system.webServer>"
    '<httpErrors allowAbsolutePathsWhenDelegated="true" /></system.webServer></configuration>'
)


@pytest.mark.parametrize(
    "names",
    ['path="C:\\pages\\gone.txt"', 'path="gone.txt" prefixLanguageFilePath="%SystemDrive%\\p"'],
)
def test_an_absolute_path_in_web_config_fails_error_responses(
    make_site: Callable[..., Site], names: str
) -> None:
    config = web_config(ABSOLUTE.replace('path="C:\\pages\\gone.txt"', names))
    site = make_site({"web.config": config, "a.txt": "a"})
    assert [found.code for found in check(site)] == ["errors-absolute-path"]
    missing = site.explain("/missing")["outcome"]
    assert (missing["status"], missing["substatus"], missing["hresult"]) == (500, 19, "0x80070032")
    assert "Use relative path instead" in str(missing["message"])
    assert site.explain("/a.txt")["outcome"]["status"] == 200


def test_an_absolute_path_that_the_host_allows_goes_through_the_path_map(tmp_path: Path) -> None:
    pages = write(tmp_path / "pages", {"gone.txt": "gone"})
    write(tmp_path / "site", {"web.config": web_config(ABSOLUTE), "host.config": ALLOWED})
    settings = Settings(
        host_config=tmp_path / "site" / "host.config", path_map=(("C:\\pages", str(pages)),)
    )
    response = Site(tmp_path / "site", settings).explain("/missing")["response"]
    assert (response["status"], response["body"]) == (404, "gone")


def test_an_entry_without_a_status_is_an_error_of_the_file(make_site: Callable[..., Site]) -> None:
    entry = '<httpErrors errorMode="Custom"><error path="404.html" /></httpErrors>'
    outcome = make_site({"web.config": web_config(entry)}).explain("/missing")["outcome"]
    assert (outcome["status"], outcome["substatus"]) == (500, 19)
    assert "statusCode" in str(outcome["message"])
