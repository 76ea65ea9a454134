"""The resources of ``signalbox.dev/v1alpha1``: models, validation, CRDs."""

from signalbox.api.modelbackend import ModelBackend
from signalbox.api.routingpolicy import RoutingPolicy

__all__ = ["ModelBackend", "RoutingPolicy"]
