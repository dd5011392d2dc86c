"""A program that answers each line on stdin with the keys of the space ``s`` that it can read in a folder."""

from __future__ import annotations

import sys

from faults.lines import say
from planai.cache.stores.disk import DiskStore


def main(folder: str) -> None:
    """Serve until stdin ends."""
    store = DiskStore(folder)
    for _ in sys.stdin:
        say([info.key for info in store.scan("s") if store.get("s", info.key)])


if __name__ == "__main__":
    main(sys.argv[1])
