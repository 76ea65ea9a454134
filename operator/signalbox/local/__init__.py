"""Local mode: the same plan and router, fed from a directory of YAML."""
