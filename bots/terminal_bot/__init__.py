"""The terminal as a platform: the same desk and loop behind a prompt."""
