"""The tests; they mirror the packages, and ``system`` runs against real processes."""
