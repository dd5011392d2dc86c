"""What a program logs: in a file of its own for each start, or on stderr while somebody looks for a mistake."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path


def setup_logging(
    logs_dir: str = "logs",
    logs_prefix: str = "general_log",
    logger_name: str | None = None,
    level: int | None = logging.INFO,
) -> logging.Logger:
    """Let a logger write into a new file, in place of where it wrote before, and return it.

    Args:
        logs_dir: the folder; it is made if need be.
        logs_prefix: what the name of the file begins with; the time of the start follows.
        logger_name: which logger; None for the root, to which all others pass on what they log.
        level: what is less than this is not logged; None leaves the logger's level as it is.
    """
    folder = Path(logs_dir)
    folder.mkdir(parents=True, exist_ok=True)
    started = datetime.now().astimezone()
    handler = logging.FileHandler(folder / f"{logs_prefix}_{started:%Y%m%d_%H%M%S}.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    logger = logging.getLogger(logger_name)
    for earlier in [kept for kept in logger.handlers if type(kept) is logging.FileHandler]:
        logger.removeHandler(earlier)
        earlier.close()
    logger.addHandler(handler)
    if level is not None:
        logger.setLevel(level)
    return logger


def show_debug(logger: logging.Logger) -> None:
    """Let debug messages through, to stderr where the program has set up no logging."""
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
