"""What policies have learned for them, made and kept."""
