"""What the law, the specification and patients' habits say about the directory; nothing here does any I/O."""
