"""Tests of the Matrix session."""
