"""The routers that run: who they are, what they are told, and what they say."""
