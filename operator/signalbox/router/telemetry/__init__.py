"""What is counted and logged, in one worker and summed over all."""
