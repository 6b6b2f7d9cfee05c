"""Everybody in the sandbox comes from a loopback address of their own, as people come from homes of their own.

So the limits by address that are shipped hold here too: what one of them uses up, nobody else misses.
"""

from __future__ import annotations

import hashlib

import aiohttp


def own_address(name: str) -> str:
    """Somebody's address: always the same one, and not the one that servers and their proxies have."""
    first, second, third = hashlib.sha256(name.encode()).digest()[:3]
    return f"127.{first % 253 + 1}.{second}.{third % 253 + 1}"


def from_own_address(name: str) -> aiohttp.TCPConnector:
    """For a client session whose requests come from somebody's own address."""
    return aiohttp.TCPConnector(local_addr=(own_address(name), 0))
