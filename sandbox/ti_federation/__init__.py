"""A TI federation for one machine: its master and a sectoral identity provider, which follow the published rules."""
