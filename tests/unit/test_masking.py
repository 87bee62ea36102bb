"""Secrets: by name, by shape, and nothing else."""

from __future__ import annotations

import pytest

from fcgiemu.pages import secret_masking

M = secret_masking.MASK


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("DB_PASSWORD=hunter2 x", f"DB_PASSWORD={M} x"),
        ("{'SECRET_KEY': 'abc def', 'DEBUG': True}", f"{{'SECRET_KEY': '{M}', 'DEBUG': True}}"),
        ('{"api-key": "a\\"b", "n": 1}', f'{{"api-key": "{M}", "n": 1}}'),
        ('<add key="DB_PASSWORD" value="a b" />', f'<add key="DB_PASSWORD" value="{M}" />'),
        ("<add value='a b' name='MY_TOKEN'/>", f"<add value='{M}' name='MY_TOKEN'/>"),
        ("Server=x;Password=foo;User=y", f"Server=x;Password={M};User=y"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {M}"),
        ("/reset?token=abc&next=/", f"/reset?token={M}&next=/"),
        ("postgres://joe:pw@db/x", f"postgres://joe:{M}@db/x"),
        ("redis://:pw@cache:6379/0", f"redis://:{M}@cache:6379/0"),
        ("id AKIAABCDEFGHIJKLMNOP end", f"id {M} end"),
        ("-----BEGIN PRIVATE KEY-----\nMII", f"-----BEGIN PRIVATE KEY-----{M}"),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    assert secret_masking.text(text) == masked
    assert secret_masking.text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "no password given",
        "KeyError: 'SECRET_KEY'",
        "The SECRET_KEY setting must not be empty.",
        "http://user@host/",
        "GET /a?b=c&d=e",
        '<add key="WSGI_HANDLER" value="app.app" />',
        "DJANGO_SETTINGS_MODULE=mysite.settings",
    ],
)
def test_what_stays(text: str) -> None:
    assert secret_masking.text(text) == text


def test_data() -> None:
    given = {
        "variables": [["DB_PASSWORD", "x"], ["A", "b"]],
        "environment": {"SECRET_KEY": "q", "PATH": "/bin"},
        "headers": [{"name": "Cookie", "value": "a=b"}, {"name": "Host", "value": "h"}],
        "status": 200,
    }
    assert secret_masking.data(given) == {
        "variables": [["DB_PASSWORD", M], ["A", "b"]],
        "environment": {"SECRET_KEY": M, "PATH": "/bin"},
        "headers": [{"name": "Cookie", "value": M}, {"name": "Host", "value": "h"}],
        "status": 200,
    }
