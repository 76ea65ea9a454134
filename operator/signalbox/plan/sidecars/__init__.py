"""The router inside a client's pod."""
