"""Failed-request tracing ("FREB"): the files that IIS writes, read and written, and the
engine's own trace in their form.

- ``table`` knows the events: their numbers, levels, keywords and data (events.txt);
- ``model`` is a trace as values, ``reader`` and ``writer`` turn it from and into bytes;
- ``masking`` masks what must not be shown, ``story`` and ``listing`` show traces;
- ``translate`` puts the events of ``fcgiemu.trace`` into the form of IIS.

Nothing here decides about a request: comparing a trace with a site is ``fcgiemu.parity``.
"""
