"""What runs inside the site's own interpreter (CPython 3.6 or newer). Imports nothing of fcgiemu's
other folders.
"""
