"""Keeps what nio and its database library log out of every log: both quote people's messages.

nio prints the whole content of an event that does not fit its schema, names people in most lines, and its loggers are
children of ``nio``; peewee logs every statement with its parameters.
"""

from __future__ import annotations

import logging

# Their loggers must exist to be silenced.
import nio
import peewee

_TALKATIVE = (nio.__name__, peewee.__name__)


def quiet_loggers() -> None:
    """Silences every talkative logger there is, and cuts those off that may come, whatever level is set later."""
    for name in _TALKATIVE:
        top = logging.getLogger(name)
        top.propagate = False
        if not top.handlers:
            # Without any, logging would print warnings itself.
            top.addHandler(logging.NullHandler())
        for child, logger in list(logging.Logger.manager.loggerDict.items()):
            if isinstance(logger, logging.Logger) and (child == name or child.startswith(f"{name}.")):
                logger.disabled = True
