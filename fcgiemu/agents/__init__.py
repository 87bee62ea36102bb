"""``fcgiemu mcp``: what an agent may ask about the sites of one folder.

    confined      the folder: what is named relative to it, and nothing outside of it
    tools         explain, check, test and diff: arguments in, JSON out
    server        the tools behind the Model Context Protocol; only this file knows the package mcp

Nothing is written and no program of a site is started. git alone is run, for a revision that diff
is to compare with.
"""
