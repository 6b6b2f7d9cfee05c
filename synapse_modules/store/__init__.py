"""All SQL of the homeserver's module: its own tables, and what it reads of Synapse's."""
