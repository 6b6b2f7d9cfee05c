"""Sends the nightly file of ended memberships to the homeserver, row by row, however long it is."""
