"""The request pipeline: one IIS module per file, in the order in which IIS runs them
(pipeline.py).
"""
