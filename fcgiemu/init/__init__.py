"""The first web.config of a site: what kind of site a folder holds, and the files that make IIS
serve it.
"""
