"""The ASGI application that acts on decisions, and ``serve``."""
