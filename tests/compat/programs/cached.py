"""Cached workers: an extra key, work before and after, and a cache that counts.

Prints:
    computed [1, 2, 3]
    [1, 4, 9] [1, 4, 9]
    around: 3 before, 6 before in all
    stored 3 times under 3 keys
    another power: [1, 8, 27] computed [1, 1, 2, 2, 3, 3]
"""


from pydantic import PrivateAttr

from planai import CachedTaskWorker, Graph, Task
from planai.testing import MockCache, inject_mock_cache

computed = []


class Number(Task):
    value: int


class Power(Task):
    value: int


class Raise(CachedTaskWorker):
    output_types: list[type[Task]] = [Power]
    exponent: int = 2
    _started: int = PrivateAttr(default=0)
    _ended: int = PrivateAttr(default=0)

    def pre_consume_work(self, task: Number):
        with self.lock:
            self._started += 1

    def post_consume_work(self, task: Number):
        with self.lock:
            self._ended += 1

    def extra_cache_key(self, task: Number) -> str:
        return str(self.exponent)

    def consume_work(self, task: Number):
        computed.append(task.value)
        self.publish_work(Power(value=task.value**self.exponent), input_task=task)


cache = MockCache()


def run(worker):
    graph = Graph(name="Powers")
    graph.add_workers(worker)
    graph.set_sink(worker, Power)
    inject_mock_cache(graph, cache)
    graph.run(initial_tasks=[(worker, Number(value=value)) for value in (1, 2, 3)], display_terminal=False)
    return sorted(task.value for task in graph.get_output_tasks())


first = Raise()
before = run(first)
print("computed", sorted(computed))
second = Raise()
print(before, run(second))
print(f"around: {first._started} before, {first._started + second._ended} before in all")
print(f"stored {sum(cache.set_stats.values())} times under {len(cache.set_stats)} keys")
print("another power:", run(Raise(exponent=3)), "computed", sorted(computed))
