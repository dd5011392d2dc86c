"""A run: a pure state that turns events into calls, and the loop that feeds it."""
