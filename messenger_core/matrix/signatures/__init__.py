"""Signatures: what the lists of keys that a homeserver gives out prove, and whose devices are whose."""
