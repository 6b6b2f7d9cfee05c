"""The whole system on one machine: processes, a stand-in identity provider, demo people, and the story."""
