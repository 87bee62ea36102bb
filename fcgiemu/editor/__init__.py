"""``fcgiemu lsp``: what an editor shows of a web.config while somebody types it.

    outline       a text, broken as it may be -> tags with their places
    known         the names of the tags around a place -> what the schema has there
    completing    a place -> what may be written there
    hovering      a place -> what IIS does there
    examining     texts that are not saved -> what ``check`` finds, by file
    fixing        a finding -> the edit that follows its hint
    server        all of them behind the language server protocol; only this file knows pygls

Positions are offsets into the text, in characters; ``server`` alone translates from and to the
lines and units of the protocol.
"""
