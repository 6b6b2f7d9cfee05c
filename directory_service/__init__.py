"""The directory that practices join and patients search, and that tells the homeserver who may be reached."""
