"""Stand-ins of the services, true to their protocols, for trying out and for tests."""
