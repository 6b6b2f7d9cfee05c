"""Use cases of retention: what orders the steps between the outside world, the rules and the store."""
