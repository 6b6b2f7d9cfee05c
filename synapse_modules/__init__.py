"""Runs inside Synapse: smart registration, insurer switch, who may reach whom, people search."""

from synapse_modules.app import GesundheitsIDMapping, HekMessenger, StaffMapping

__all__ = ["GesundheitsIDMapping", "HekMessenger", "StaffMapping"]
