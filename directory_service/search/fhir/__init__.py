"""A FHIR search from its parameters to its bundle."""
