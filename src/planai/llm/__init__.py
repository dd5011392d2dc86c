"""Models: how they are configured, asked, and what workers do with their answers."""
