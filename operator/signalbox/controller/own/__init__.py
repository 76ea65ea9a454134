"""The operator's own objects: its certificates, the webhook's trust, the way to the leader."""
