"""The broker: relying party of the TI federation on one side, plain OpenID Connect for the homeserver on the other."""
