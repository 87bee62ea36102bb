"""The version, in the one place that packaging and reports read, and where the documentation is."""

__version__ = "0.1.0"

#: The address of a page, less its name: who has installed a package has no folder docs. Beside the
#: documentation that setup.cfg names; tests compare.
DOCUMENTATION = "https://github.com/fcgiemu/fcgiemu/blob/main/docs/"
