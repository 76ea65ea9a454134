"""Signalbox: a Kubernetes operator that routes requests among models and keeps the weights true to the load."""
