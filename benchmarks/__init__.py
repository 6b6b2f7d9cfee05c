"""Side-by-side figures, each one command: ``python benchmarks/NAME.py [--quick]``."""
