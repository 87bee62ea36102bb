"""Secrets and names of people in what is shown: URLs of a log hold tokens and e-mail addresses."""

from __future__ import annotations

import re

MASK = "***"

_EMAIL = re.compile(r"[A-Za-z0-9._+-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
#: Parameters whose values are nobody's business, whatever they look like.
_SECRET = re.compile(
    r"(?i)([?&;](?:[a-z_.-]*(?:token|secret|passw(?:or)?d|pwd|signature|session|apikey|api[_-]key"
    r"|access[_-]?key|credential|jwt|auth|otp|e-?mail|phone)[a-z_.-]*"
    r"|sig|sid|code|key|ticket|nonce|state|pass|user(?:name)?|login))=[^&#\s]+"
)
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: A run that could be a token, and what separates the words of a name.
_RUN = re.compile(r"[A-Za-z0-9_+~-]{16,}={0,2}")
_SEPARATORS = re.compile(r"[-_+~=]")


def masked(text: str) -> str:
    """``text`` without what looks like a token or an e-mail address."""
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(MASK, text)
    if "=" in text:
        text = _SECRET.sub(rf"\1={MASK}", text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    text = _GUID.sub(MASK, text)
    return _RUN.sub(_token, text)


def _token(found: re.Match[str]) -> str:
    """Digits and letters in one long word are a token, or one endless word; words in a row are
    not.
    """
    run = found[0]
    for word in _SEPARATORS.split(run):
        digits = sum(character.isdigit() for character in word)
        if len(word) >= 32 or (len(word) >= 16 and 3 <= digits <= len(word) - 3):
            return MASK
    digits = sum(character.isdigit() for character in run)
    is_mixed = run.lower() != run and run.upper() != run
    return MASK if len(run) >= 24 and digits >= 4 and is_mixed else run
