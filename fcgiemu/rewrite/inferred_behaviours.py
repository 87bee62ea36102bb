"""Behaviours of the module that nobody has documented or measured: each is one named switch or
figure, used in one place. A switch says what it decides and which evidence would settle it;
``fcgiemu support --facts`` shows both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def switch(default: Any, decides: str, settled_by: str) -> Any:
    """A field of RewritePolicy: its value, what that decides, and the evidence that is missing."""
    return field(default=default, metadata={"decides": decides, "settled_by": settled_by})


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritePolicy:
    """Every value here is inferred, not known; changing one changes the behaviour everywhere."""

    second_run_in_new_folder: bool = switch(
        False,
        "Rules of another folder run again after a rewrite into it.",
        "A trace of a rewrite into a folder whose web.config has a rule that fits.",
    )
    wildcard_lazy: bool = switch(
        True,
        "* in Wildcard patterns takes as little as possible, left to right.",
        "{R:1} and {R:2} of the pattern *-* for a-b-c.",
    )
    wildcard_question_mark: bool = switch(
        False,
        "? in Wildcard patterns is one character, as the reference says; measured patterns with it"
        " did not match.",
        "A trace of a?c for abc, with the version of the module.",
    )
    letter_escapes_refused: bool = switch(
        True,
        "Escaping a letter that has no meaning is an error, as documented; the library's public"
        " source of 2019 takes it as the letter.",
        r"The answer of IIS to a rule whose pattern is \y.",
    )
    url_encode_space: str = switch(
        "%20",
        "What UrlEncode makes of a space.",
        "The Location of a redirect to ?q={UrlEncode:{C:0}} for a value with a space.",
    )
    invalid_rules_substatus: int = switch(
        50,
        "Substatus of an invalid set of inbound rules; the same error often shows as 52.",
        "The log line of a request below a web.config with a pattern that does not compile.",
    )
    negated_match_r0_is_input: bool = switch(
        True,
        "{R:0} after a negated or missing match is the whole input.",
        "The Location of a redirect to /x/{R:0} with negate on the match.",
    )
    captures_survive_negated_condition: bool = switch(
        True,
        "Captures of an earlier condition survive a negated condition that succeeds after it.",
        "The Location of a redirect to /x/{C:1} with a negated second condition.",
    )
    foreign_url_is_final: bool = switch(
        True,
        "A rewrite to another host ends the evaluation.",
        "A trace of a rewrite to http://… without stopProcessing, with a rule behind it.",
    )
    skip_rules_out_of_folder: bool = switch(
        True,
        "Rules whose folder no longer contains the rewritten path are skipped.",
        "A trace of two rules in a folder's web.config, the first of which rewrites to /other.",
    )
    first_map_key_wins: bool = switch(
        True,
        "Of map keys that differ only in case the first one counts.",
        "The answer of IIS to a rewrite map with the keys A and a.",
    )
    outbound_url_is_rewritten: bool = switch(
        True,
        "{URL} in outbound rules of a locally rewritten request is the rewritten path.",
        "A response header that an outbound rule sets to {URL}.",
    )
    dropped_when_empty: frozenset[str] = switch(
        frozenset({"etag"}),
        'Headers that vanish when an outbound rule sets them to "" (reports; Server stays, empty).',
        "Headers of responses in which outbound rules set other ones to nothing.",
    )
    mime_map_by_longest_extension: bool = switch(
        True,
        "A MIME map of .js.br decides about app.js.br, not only that of the last part; published"
        " files of Blazor and Unity rest on it.",
        "The Content-Type of app.js.br with maps for .br and .js.br.",
    )
    text_limit: int = switch(
        32_767,
        "Characters that a URL, a query or a variable may hold after a rule has made it: what the"
        " length field of a Windows UNICODE_STRING can say. More is 500.50 for that request.",
        "The length at which a set of rules that doubles a variable fails.",
    )
    request_limit: int = switch(
        1_048_576,
        "Characters that the rules of one request may put into URLs and variables together.",
        "None: a bound of this program, so that no request can take all memory.",
    )
    response_growth: int = switch(
        16 * 1_048_576,
        "Characters by which outbound rules may make one response longer. More is 500.52.",
        "None: a bound of this program, so that no response can take all memory.",
    )
    regex_step_limit: int = switch(
        10_000_000,
        "Steps after which the module's engine gives up, as a bound on length ** degree.",
        "The length of input at which (a+)+$ begins to answer 500.50.",
    )
    regex_cheap_steps: int = switch(
        50_000,
        "Steps that may be left to Python's re, which cannot be stopped: a millisecond or two.",
        "None: a bound of this program, so that no pattern holds up other requests.",
    )
    regex_work: int = switch(
        150_000,
        "Units of work, of about a microsecond, that one search by the linear engine may take.",
        "None: a bound of this program, so that no pattern holds up other requests.",
    )
    regex_brief_work: int = switch(
        500,
        "Units of work that a search may take where other requests wait for it; a thread makes"
        " those that take more.",
        "None: a bound of this program, so that no pattern holds up other requests.",
    )
    regex_seconds: float = switch(
        0.05,
        "Seconds that a search may take which neither engine can bound: back-references, and"
        " patterns on whole bodies.",
        "None: a bound of this program, so that no pattern holds up other requests.",
    )


POLICY = RewritePolicy()
