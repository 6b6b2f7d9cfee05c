"""What a stranger may try against the running services, as a table: each row is tried for real."""
