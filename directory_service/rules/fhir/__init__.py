"""Practices as FHIR R4 in the shape of gematik's directory: resources, search, paging, capabilities; all of it pure."""
