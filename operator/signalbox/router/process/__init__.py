"""Processes and ports: a supervisor, its workers, what they tell each other, and the admin port."""
