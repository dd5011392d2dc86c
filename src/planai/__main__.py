"""``python -m planai``: the ``planai`` command, also where it is not on the path."""

from __future__ import annotations

from planai.cli.app import main

if __name__ == "__main__":
    main()
