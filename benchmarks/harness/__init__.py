"""What the benches share: processes and cores, the tools in C, the peers, the router under test, and reports."""
