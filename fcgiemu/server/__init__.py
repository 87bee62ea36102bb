"""Acting on decisions: connections, processes, proxies, the log, and ``serve``."""
