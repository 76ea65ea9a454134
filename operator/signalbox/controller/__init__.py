"""The operator: it notices that something changed, and makes the cluster what the resources describe."""
