"""Metrics: what is counted of tickets, and how it is read."""
