"""Pages for people in a browser: patients look for practices, practices keep their entry."""
