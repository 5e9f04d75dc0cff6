"""Made-up input."""
