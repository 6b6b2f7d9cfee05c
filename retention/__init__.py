"""The six-month offer and the five-year erasure: decides what is due, conducts it, and verifies it."""
