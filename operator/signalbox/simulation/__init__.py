"""A simulator of the feedback loop: engines, routers and arrivals by events, and the law as it is in production."""
