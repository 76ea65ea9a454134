"""The API server's edge: who we are there, requests, and watching."""
