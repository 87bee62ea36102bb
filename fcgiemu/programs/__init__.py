"""The programs behind a site: which program of this machine stands for one that web.config names,
and how it is started.
"""
