"""Whether a site does here what it does elsewhere: compared with a deployed site (``comparing``),
with a genuine failed-request trace (``replay``), and with what a capture kit collected
(``bundle``).

``asking`` sends requests, ``normal`` takes out of answers what must differ, ``cases`` writes what
was found for a bug report.
"""
