"""The outside world of retention: the homeserver, the bot, and the person who is asked."""
