"""Stores: what keeps the entries of caches. They know nothing of each other."""
