"""The resources: models, validation, CRD generation. Pure."""
