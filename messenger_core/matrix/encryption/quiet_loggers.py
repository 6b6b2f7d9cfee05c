"""Keeps what nio and its database library log out of every log: both quote people's messages.

nio prints the whole content of an event that does not fit its schema, names people in most lines, and its loggers are
children of ``nio``; peewee logs every statement with its parameters.
"""

from __future__ import annotations

import logging

_TALKATIVE = ("nio", "peewee")


def quiet_loggers() -> None:
    """Cuts the talkative loggers off, whatever level is set for them or their children later."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
