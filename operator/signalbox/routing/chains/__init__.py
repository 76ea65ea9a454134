"""What strategies decide that ask several models for one answer: pure, of values that are there already."""
