"""A cluster with a node, on which pods run: for Linux and root, in namespaces of its own."""
