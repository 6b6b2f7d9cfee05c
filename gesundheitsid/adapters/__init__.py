"""The outside world: the federation, the homeserver, people in their browsers, and the key file."""
