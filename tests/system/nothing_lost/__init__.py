"""Proof that the Matrix session loses, doubles and reorders nothing, while it and the homeserver are killed."""
