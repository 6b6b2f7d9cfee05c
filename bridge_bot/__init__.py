"""The HEK Messenger: topics, tickets, support rooms and the 24-hour promise."""
