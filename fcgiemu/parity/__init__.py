"""Whether a site does here what it does elsewhere: compared with a deployed site (``comparing``),
with a genuine failed-request trace (``trace_replay``), and with what a capture kit collected
(``bundle``).

``requesting`` sends requests, ``answer_differences`` knows what of two answers must differ,
``cases`` writes what was found for a bug report.
"""
