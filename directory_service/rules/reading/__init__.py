"""FHIR resources, of the national directory or of a practice's software, as the directory understands them."""
