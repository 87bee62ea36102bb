"""``serve`` says what ``check`` finds, and again when a save brings or removes something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..sites import rules, write
from .server import LiveServer

BAD = '<rule name="{}"><match url="^/x" /><action type="None" /></rule>'


def test_findings_come_and_go(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"web.config": rules(BAD.format("one"))})
    server = serve(tmp_path)
    server.wait_for("warning     web.config:1:77: Rule 'one' never applies")
    write(tmp_path, {"web.config": rules(BAD.format("one") + BAD.format("two"))})
    server.wait_for("Rule 'two' never applies")
    write(tmp_path, {"web.config": rules(BAD.format("two"))})
    server.wait_for("fixed       web.config:1:77: Rule 'one' never applies")
    write(tmp_path, {"web.config": "<configuration>"})
    server.wait_for("error       web.config:1:16: Configuration file is not well-formed XML")
    write(tmp_path, {"web.config": "<configuration />"})
    server.wait_for("fixed       web.config:1:16: Configuration file is not well-formed XML")
    assert server.log().count("Rule 'one' never applies") == 2


def test_web_config_is_removed_and_comes_back(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"web.config": rules(BAD.format("one"))})
    server = serve(tmp_path)
    server.wait_for("Rule 'one' never applies")
    (tmp_path / "web.config").unlink()
    server.wait_for(f"error       There is no web.config in {tmp_path}, which is empty")
    write(tmp_path, {"web.config": "<configuration />"})
    server.wait_for(f"fixed       There is no web.config in {tmp_path}, which is empty")
