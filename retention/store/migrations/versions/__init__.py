"""One file a revision, run in their order."""
