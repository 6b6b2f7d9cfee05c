"""How practices are searched: fields, the index, and FHIR's searches; pure, and built on the rules of practices."""
