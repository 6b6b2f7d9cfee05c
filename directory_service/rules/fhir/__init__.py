"""Practices as FHIR R4 in the shape of gematik's directory: resources, codes and prepared JSON; all of it pure."""
