"""The functions that find what is wrong with a site: in its configuration and its files, in the
programs behind it, and in a request that failed.
"""
