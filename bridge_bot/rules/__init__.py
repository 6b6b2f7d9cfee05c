"""Rules of the HEK Messenger: pure functions, no clock, no I/O."""
