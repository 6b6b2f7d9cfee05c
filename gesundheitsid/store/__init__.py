"""All SQL of the broker: sign-ins under way, codes, and sessions."""
