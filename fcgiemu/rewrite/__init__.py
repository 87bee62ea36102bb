"""URL Rewrite Module 2.1: rules, conditions, templates, maps, providers, outbound rules. Pure: no
I/O, no clock.

Facts that Microsoft documents or that were measured on IIS carry no mark; what is only inferred
depends on a switch in inferred_behaviours.py.
"""
