"""The control stream between operator and routers: its messages, and both its ends."""
