"""The search index that each process holds in memory: which practices fit a search, in which order, and why."""
