"""What the cluster is to hold for each router: manifests, made from the plan alone."""

from signalbox.plan.children.manifests import Manifest, children
from signalbox.plan.children.names import CONFIG_HASH, FIRST_REPLICAS, address, labels_of
from signalbox.plan.children.settings import Control, OperatorSettings

__all__ = [
    "CONFIG_HASH",
    "FIRST_REPLICAS",
    "Control",
    "Manifest",
    "OperatorSettings",
    "address",
    "children",
    "labels_of",
]
