"""Having lessons learned in a process of its own, which nobody who serves waits for."""
