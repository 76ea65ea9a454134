"""One namespace made what its resources say."""
