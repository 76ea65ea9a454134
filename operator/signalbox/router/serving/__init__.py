"""From a client's request to its answer: who may ask, where it goes, how often it is tried, what is booked."""
