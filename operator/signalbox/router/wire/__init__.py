"""Bytes of HTTP and of event streams: read strictly, written plainly. Nothing here knows connections or policies."""
