"""What can go wrong on the way to a cluster."""


class ClusterError(Exception):
    """The cluster, or a part of it, is not to be had; the message says why and what to do."""
