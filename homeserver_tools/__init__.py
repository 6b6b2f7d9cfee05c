"""Commands for those who call the homeserver's machine API by hand or by night: its operator, the core system."""
