"""The program that wrote the cache is run by `test_taking`, and not imported to look for doctests."""

collect_ignore = ["shop.py"]
