"""Store: the session's tables in the service's own database."""
