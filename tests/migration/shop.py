"""A program for PlanAI 0.7.1; run there, it wrote the cache in ``planai-0.7.1`` beside it.

    PLANAI=1 python shop.py planai-0.7.1
"""

import datetime
import enum
import os
import sys
from typing import List, Optional, Type

from planai import CachedLLMTaskWorker, CachedTaskWorker, Graph, Task
from planai.testing import MockLLM, MockLLMResponse

computed = []


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(Task):
    width: int


class Item(Task):
    who: str
    since: Optional[datetime.date] = None
    color: Color = Color.RED
    size: Optional[Size] = None
    data: bytes = b""


class Price(Task):
    euros: int
    note: Optional[str] = None


class Discount(Task):
    percent: float


class Opinion(Task):
    text: str


class Quote(CachedTaskWorker):
    output_types: List[Type[Task]] = [Price, Discount]
    currency: str = "euro"

    def extra_cache_key(self, task: Item) -> str:
        return self.currency

    def consume_work(self, task: Item):
        computed.append(task.who)
        for number in range(len(task.who)):
            self.publish_work(Price(euros=number), input_task=task)
        self.publish_work(Discount(percent=0.5), input_task=task)


class Judge(CachedLLMTaskWorker):
    output_types: List[Type[Task]] = [Opinion]
    llm_input_type: Type[Task] = Item
    prompt: str = "What do you think of it?"


ITEMS = [
    Item(who="ab", since=datetime.date(2020, 1, 2), color=Color.BLUE, size=Size(width=3), data=b"\xff\x00"),
    Item(who=""),
    Item(who="c", data=b"x" * 40_000),
]


def make(cache_dir: str):
    quote = Quote(cache_dir=cache_dir)
    judge = Judge(llm=MockLLM([MockLLMResponse(".", response=Opinion(text="good"))]), cache_dir=cache_dir)
    graph = Graph(name="shop")
    graph.add_workers(quote, judge)
    graph.set_sink(quote, Price)
    graph.set_sink(quote, Discount)
    graph.set_sink(judge, Opinion)
    return graph, [(quote, item) for item in ITEMS] + [(judge, ITEMS[1])]


def program():
    return make("cache")


if __name__ == "__main__" and os.environ.get("PLANAI"):
    graph, tasks = make(sys.argv[1])
    graph.run(initial_tasks=tasks, display_terminal=False)
