"""Service-to-service sign-in: OAuth 2.0 client credentials with private_key_jwt (RFC 6749, 7523), ES256."""
