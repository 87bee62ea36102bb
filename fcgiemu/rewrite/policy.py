"""Behaviours of the module that nobody has documented or measured: each is one named switch, used
in one place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RewritePolicy:
    """Every default here is inferred, not known; changing one changes the behaviour everywhere."""

    #: Distributed rules of another folder run again after a rewrite into it.
    second_run_in_new_folder: bool = False
    #: ``*`` in Wildcard patterns takes as little as possible, left to right.
    wildcard_lazy: bool = True
    #: Wildcard ``?`` is one character, as the reference says; measured patterns with it did not
    #: match.
    wildcard_question_mark: bool = False
    #: What UrlEncode makes of a space.
    url_encode_space: str = "%20"
    #: Substatus of an invalid rule set: 50, though the same error often shows as 52.
    invalid_rules_substatus: int = 50
    #: {R:0} after a negated or missing match is the whole input.
    negated_match_r0_is_input: bool = True
    #: Captures of an earlier condition survive a negated condition that succeeds after it.
    captures_survive_negated_condition: bool = True
    #: A rewrite to a foreign URL ends the evaluation.
    foreign_url_is_final: bool = True
    #: Rules whose folder no longer contains the rewritten path are skipped.
    skip_rules_out_of_folder: bool = True
    #: Of map keys that differ only in case the first one counts.
    first_map_key_wins: bool = True
    #: {URL} in outbound rules of a locally rewritten request is the rewritten path.
    outbound_url_is_rewritten: bool = True
    #: Headers that vanish when an outbound rule sets them to "" (reports; Server stays, empty).
    dropped_when_empty: frozenset[str] = frozenset({"etag"})
    #: A MIME map of ``.js.br`` decides about app.js.br; False: only that of the last part does.
    #: Published files of Blazor and Unity rest on it.
    mime_map_by_longest_extension: bool = True
    #: Characters that a URL, a query or a variable may hold after a rule has made it: what the
    #: length field of a Windows UNICODE_STRING can say. More is 500.50 for that request.
    text_limit: int = 32_767
    #: Characters that the rules of one request may put into URLs and variables together.
    request_limit: int = 1_048_576
    #: Characters by which outbound rules may make one response longer. More is 500.52.
    response_growth: int = 16 * 1_048_576
    #: Steps after which IIS's engine gives up (error_complexity), as a bound on length ** degree.
    regex_step_limit: int = 10_000_000
    #: Steps that may be left to ``re``, which cannot be stopped: a millisecond or two.
    regex_cheap_steps: int = 50_000
    #: Units of work, of about a microsecond, that one search by the linear engine may take.
    regex_work: int = 150_000
    #: Seconds that a search may take which neither engine can bound: back-references, and patterns
    #: on whole bodies.
    regex_seconds: float = 0.05


POLICY = RewritePolicy()
