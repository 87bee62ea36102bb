"""``serve --ui``: pages and an API that show what a server does while it does it."""
