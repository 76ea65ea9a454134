"""Hostile requests and hostile engines: a corpus of cases as data, played against whole processes."""
