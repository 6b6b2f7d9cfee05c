"""Store of the HEK Messenger: all its SQL."""
