"""The revisions of the component's schema, and how they are run; a package so that it is installed."""
