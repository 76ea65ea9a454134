"""What the cluster holds, as far as we were told: watched, listed, remembered."""
