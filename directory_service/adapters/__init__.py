"""The directory's outside world: its HTTP interfaces, and the homeservers that it asks."""
