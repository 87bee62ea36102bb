"""Failed-request tracing ("FREB"): the files that IIS writes, read and written, and the
engine's own trace in their form.

- ``event_table`` knows the events: their numbers, levels, keywords and data (events.txt);
- ``model`` is a trace as values, ``reader`` and ``writer`` turn it from and into bytes;
- ``trace_masking`` masks secrets; ``page``, ``listing`` and ``trace_text`` show traces;
- ``translate`` puts the events of ``fcgiemu.trace`` into the form of IIS.

Nothing here decides about a request: comparing a trace with a site is ``fcgiemu.parity``.
"""
