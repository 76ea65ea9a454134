"""What this machine calls itself: where the page listens, and what it answers to."""

HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
