"""What the published rules say, as pure functions: no I/O, time is an argument."""
