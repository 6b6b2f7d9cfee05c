"""Adapters of the HEK Messenger: the Matrix session, the homeserver's machine interface, HTTP and texts."""
