"""What statuses say: conditions, telemetry, and which changes are news."""
