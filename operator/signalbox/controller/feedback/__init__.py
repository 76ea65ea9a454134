"""The feedback loop of the leader: a loop for each namespace, one scraper for all."""
