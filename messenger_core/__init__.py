"""Ground floor: the words of the domain, texts, settings, service auth, database and the Matrix session."""
