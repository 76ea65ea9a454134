"""The proxy: connections, attempts, outcomes, reload and drain. It lives without the operator."""
