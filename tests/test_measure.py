"""Measuring a block."""

import time

import pytest

from planai.measure import measure_time


def test_milliseconds_are_measured_also_of_a_block_that_raises() -> None:
    started = time.perf_counter()

    def fail() -> None:
        while time.perf_counter() - started < 0.002:
            """Take two milliseconds."""
        raise ValueError

    with pytest.raises(ValueError), measure_time() as measured:
        fail()
    assert 1.9 <= measured["elapsed_time"] <= (time.perf_counter() - started) * 1000
