"""Hubs, Redis, workers and clients under random faults, and a checker of what they were told (docs/reliability.md)."""
