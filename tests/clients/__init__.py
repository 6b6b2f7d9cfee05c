"""Clients that share no code with the messenger: an independent one, and a hostile one."""
