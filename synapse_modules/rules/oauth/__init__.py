"""Matrix's OAuth 2.0 API (client-server specification 1.15 to 1.18): what clients may register, ask for and get."""
