"""Resources and observations in, router configuration and typed problems out. Pure."""
