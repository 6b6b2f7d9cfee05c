"""End-to-end encryption of one account's device, over nio's Olm machine."""

from messenger_core.matrix.encryption.quiet_loggers import quiet_loggers

quiet_loggers()
