"""Logs: one file for each start, and the level that was asked for."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from planai.logs import setup_logging


@pytest.fixture
def name() -> Iterator[str]:
    """Name a logger, and close its files afterwards."""
    name = "planai-tests-of-logs"
    yield name
    logger = logging.getLogger(name)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_what_is_logged_is_in_a_file(tmp_path: Path, name: str) -> None:
    logger = setup_logging(str(tmp_path / "deep" / "logs"), "mine", name)
    logger.info("told")
    logger.debug("not told")
    (file,) = (tmp_path / "deep" / "logs").iterdir()
    assert file.name.startswith("mine_")
    assert file.suffix == ".log"
    assert file.read_text(encoding="utf-8").endswith(f"{name} - INFO - told\n")


def test_a_second_call_does_not_double_the_lines(tmp_path: Path, name: str) -> None:
    setup_logging(str(tmp_path), "one", name)
    logger = setup_logging(str(tmp_path), "two", name, logging.DEBUG)
    logger.debug("told")
    sizes = {file.name.split("_")[0]: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes["one"] == 0
    assert sizes["two"] > 0
    assert len(logger.handlers) == 1


def test_without_a_level_the_logger_keeps_its_own(tmp_path: Path, name: str) -> None:
    logging.getLogger(name).setLevel(logging.ERROR)
    assert setup_logging(str(tmp_path), logger_name=name, level=None).level == logging.ERROR
