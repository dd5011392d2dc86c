"""The cache: keys that hold all that decides an answer, entries that can be trusted, stores that keep them."""
