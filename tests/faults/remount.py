"""A program that reads a store on a read-only disk, lets the disk be written, writes, and prints what was possible.

Its argument is the folder, which is a mount of its own and holds the entry ``a`` of the space ``s``.
"""

from __future__ import annotations

import subprocess
import sys

from faults.lines import say
from planai.cache.store import Record
from planai.cache.stores.disk import DiskStore


def attempt(store: DiskStore) -> list[str]:
    """Return what can be read, after an attempt to write."""
    try:
        store.put("s", "b", Record(b"new", 1.0))
    except OSError as error:
        return [type(error).__name__, *(info.key for info in store.scan("s") if store.get("s", info.key))]
    return [info.key for info in store.scan("s") if store.get("s", info.key)]


def main(folder: str) -> None:
    """Print what came of it."""
    store = DiskStore(folder)
    before = attempt(store)
    subprocess.run(["mount", "-o", "remount,bind,rw", folder], check=True)
    say([before, attempt(store)])
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
