"""Stand-in identity providers: GesundheitsID for people and a staff sign-in for agents, as plain OpenID Connect."""
