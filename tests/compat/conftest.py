"""The programs are run by `test_programs`, and not imported to look for doctests."""

collect_ignore = ["programs"]
