"""Matrix's OAuth 2.0 API over Synapse's own sign-in: its endpoints for programs and its pages for people."""
