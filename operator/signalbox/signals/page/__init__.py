"""The live page: a few files and a stream of views, for a browser on the same machine."""
