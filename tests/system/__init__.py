"""Tests of the whole system as real processes."""
