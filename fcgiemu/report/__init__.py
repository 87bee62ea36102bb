"""Decisions and traces as text, JSON and HTML."""
