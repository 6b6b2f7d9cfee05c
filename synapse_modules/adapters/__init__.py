"""Synapse's callbacks, the machine API, and the calls to the directory."""
