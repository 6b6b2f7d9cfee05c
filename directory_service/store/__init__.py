"""All SQL of the directory."""
