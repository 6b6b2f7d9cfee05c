"""Use cases of the HEK Messenger: what orders the steps between the outside world, the rules and the store."""
