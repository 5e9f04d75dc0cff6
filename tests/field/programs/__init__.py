"""Programs that do what the software of a report does, and no more."""
