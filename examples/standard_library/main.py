"""Analyse some of Python's own modules, twice: the second time, every answer comes from the cache."""

from __future__ import annotations

import argparse
import tempfile

from planai import Graph, RunResult
from planai.demo.pipeline import Analyse, Choose, Classify, Facts, Join, ReadModules, Report, make_library
from planai.llm.config import llm_from_config
from planai.llm.embedded import missing


def run(cache_dir: str, limit: int, classified: int) -> RunResult:
    """Wire the workers, and run them once."""
    with_model = classified > 0 and missing() is None
    read, analyse, choose = ReadModules(), Analyse(cache_dir=cache_dir), Choose()
    join = Join() if with_model else Join(merged_types=[Facts])
    graph = Graph(name="standard library")
    graph.add_workers(read, analyse, choose, join)
    graph.set_dependency(read, analyse).next(choose).next(join).sink(Report)
    if with_model:
        classify = Classify(llm=llm_from_config("embedded", "default"), cache_dir=cache_dir)
        graph.add_workers(classify)
        graph.set_dependency(choose, classify).next(join)
    return graph.run([(read, make_library(limit, classified if with_model else 0))], raise_on_failure=True)


def main() -> None:
    """Run twice, and say what was computed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=40, help="how many modules to read")
    parser.add_argument("--classify", type=int, default=5, help="how many of them to ask the model about")
    parser.add_argument("--cache-dir", default=None, help="where answers are kept (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for _ in range(2):
            result = run(args.cache_dir or temporary, args.limit, args.classify)
            report = result.outputs[0]
            assert isinstance(report, Report)
            print(f"{len(report.facts)} modules, {len(report.categories)} of them sorted: ", end="")
            print(f"{result.cache_misses} answers computed, {result.cache_hits} from the cache")


if __name__ == "__main__":
    main()
