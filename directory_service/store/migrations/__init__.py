"""The revisions of the directory's schema, and how they are run; a package so that it is installed."""
