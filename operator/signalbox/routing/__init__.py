"""Decisions: what a request is, which route it takes and which target serves it. Pure; imports no other layer."""
