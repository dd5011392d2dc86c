"""The demo: a pipeline over the source of Python's own standard library, found on any machine."""
