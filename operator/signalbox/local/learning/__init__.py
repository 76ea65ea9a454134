"""What policies of a directory have learned for them."""
