"""Making objects what their manifests say, field by field, and leaving to others what is theirs."""
