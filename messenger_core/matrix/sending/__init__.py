"""Sending: from the outbox to the homeserver, in order within a room and once."""
