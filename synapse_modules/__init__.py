"""Runs inside Synapse: smart registration, insurer switch, who may reach whom, people search."""
