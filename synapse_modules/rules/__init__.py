"""Pure rules of the homeserver's module: who gets in, who reaches whom, what a room looks like."""
