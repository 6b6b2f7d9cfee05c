"""Receiving: from the homeserver's answer to the service's handler, nothing lost and nothing twice."""
