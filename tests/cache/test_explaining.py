"""Workers that say why an answer is there or is not: to whoever asks, and in what a run tells."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import SecretStr

from planai import CachedTaskWorker, CacheIgnore, Graph, RunResult, Task, TaskWorker
from planai.cache.about import PROFILES
from planai.cache.entries import EXPIRED, PROVENANCE
from planai.cache.explain import Difference
from planai.cache.explaining import Explanation
from planai.cache.opening import open_store
from planai.cache.reasons import FIRST, NEW_INPUT, NEW_KEY, REFRESH
from planai.cache.store import Record
from planai.testing import run_inline


class Order(Task):
    item: str
    amount: int = 1
    note: Annotated[str, CacheIgnore()] = ""


class Price(Task):
    cents: int


class Rate(CachedTaskWorker):
    output_types = [Price]
    cents: int = 5

    def consume_work(self, task: Order) -> None:
        self.publish_work(Price(cents=task.amount * self.cents))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def reasons(result: RunResult) -> dict[str, int]:
    assert result.failures == []
    return dict(result.cache.reasons)


def differing(found: Explanation) -> list[tuple[str, str]]:
    return [(difference.part, difference.name) for difference in found.differences]


# ---- hits and inputs


def test_a_hit_tells_how_the_answer_came_about(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="tea"))
    found = worker.explain(Order(item="tea", note="decides nothing"))
    assert (found.hit, found.reason, found.differences) == (True, "", [])
    assert found.nearest is not None
    assert found.nearest.fields == {"item": '"tea"', "amount": "1"}
    assert found.size > 0
    assert found.cost.seconds > 0
    assert found.stored_at is not None
    assert str(found).startswith(f"{worker.cache_space!r} at the key {found.key[:16]!r} is a hit: stored 0:00:00 ago")


def test_of_a_worker_that_has_stored_nothing_that_is_told(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    found = worker.explain(Order(item="tea"))
    assert (found.hit, found.reason, found.differences, found.nearest) == (False, FIRST, [], None)
    assert reasons(run_inline(worker, Order(item="tea"), Order(item="rum"))) == {FIRST: 2}


def test_a_new_input_is_compared_with_the_nearest_in_both_values(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="rum", amount=7), Order(item="tea"), Order(item="ale", amount=3))
    found = worker.explain(Order(item="tea", amount=2))
    assert (found.reason, found.differences) == (NEW_INPUT, [Difference("field", "amount", "1", "2")])
    assert str(found).splitlines()[2:] == ["  field amount: 1 -> 2"]
    assert reasons(run_inline(worker, Order(item="tea", amount=2))) == {NEW_INPUT: 1}


def test_a_field_that_decides_nothing_is_not_among_the_differences(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="tea", note="a"))
    assert differing(worker.explain(Order(item="rum", note="b"))) == [("field", "item")]


def test_asking_changes_nothing_and_counts_nothing(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="tea"))
    before = (worker.cache_stats.hits, worker.cache_stats.misses, worker.cache_stats.stores)
    for item in ("tea", "rum"):
        worker.explain(Order(item=item))
    assert (worker.cache_stats.hits, worker.cache_stats.misses, worker.cache_stats.stores) == before
    assert not worker.is_cached(Order(item="rum"))


def test_a_refresh_is_no_surprise(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="tea"))
    worker.cache_mode = "refresh"
    assert reasons(run_inline(worker, Order(item="tea"))) == {REFRESH: 1}


def test_a_worker_that_is_switched_off_looks_up_nothing(folder: Path) -> None:
    worker = Rate(cache_dir=folder, cache_mode="off")
    result = run_inline(worker, Order(item="tea"))
    assert (result.cache_misses, reasons(result)) == (0, {})


def test_what_has_expired_is_told(folder: Path) -> None:
    worker = Rate(cache_dir=folder, cache_ttl=3600)
    run_inline(worker, Order(item="tea"))
    cache = worker.get_cache()
    (key,) = cache
    record = cache.store.get(cache.space, key)
    assert record is not None
    past = record._replace(stored_at=record.stored_at - 7200, expires_at=record.stored_at - 3600)
    cache.store.put(cache.space, key, past)
    found = worker.explain(Order(item="tea"))
    assert (found.hit, found.reason, found.differences) == (False, EXPIRED, [])
    assert "stored 2:00:00 ago" in str(found)
    assert reasons(run_inline(worker, Order(item="tea"))) == {EXPIRED: 1}


def test_after_clearing_no_input_is_called_new(folder: Path) -> None:
    worker = Rate(cache_dir=folder)
    run_inline(worker, Order(item="tea"))
    worker.clear_cache()
    assert worker.explain(Order(item="tea")).reason == FIRST
    assert reasons(run_inline(worker, Order(item="tea"), Order(item="rum"))) == {FIRST: 2}
    assert reasons(run_inline(worker, Order(item="ale"))) == {NEW_INPUT: 1}


# ---- settings


def test_a_setting_is_told_with_both_values(folder: Path) -> None:
    run_inline(Rate(cache_dir=folder), Order(item="tea"))
    worker = Rate(cache_dir=folder, cents=9)
    found = worker.explain(Order(item="tea"))
    assert (found.reason, found.differences) == (
        "setting cents changed from 5 to 9",
        [Difference("setting", "cents", "5", "9")],
    )
    result = run_inline(worker, Order(item="tea"), Order(item="new and another setting"))
    assert reasons(result) == {"setting cents changed from 5 to 9": 1, NEW_INPUT: 1}


def test_of_several_earlier_settings_the_nearest_is_told(folder: Path) -> None:
    class Wide(Rate):
        margin: int = 0
        name_of_shop: str = "a"

    for settings in ({}, {"cents": 6, "margin": 1, "name_of_shop": "b"}):
        run_inline(Wide(cache_dir=folder, **settings), Order(item="tea"))
    worker = Wide(cache_dir=folder, margin=2)
    expected = "setting margin changed from 0 to 2"
    assert worker.explain(Order(item="tea")).reason == expected
    assert reasons(run_inline(worker, Order(item="tea"))) == {expected: 1}


class Login(CachedTaskWorker):
    output_types = [Price]
    password: SecretStr = SecretStr("")

    def consume_work(self, task: Task) -> None:
        self.publish_work(Price(cents=1))


class Card(Task):
    owner: str
    number: SecretStr


def test_secrets_decide_and_are_never_shown(folder: Path) -> None:
    run_inline(Login(cache_dir=folder, password=SecretStr("hunter2")), Card(owner="Ann", number=SecretStr("card-17")))
    for password, number in (("hunter3", "card-17"), ("hunter2", "card-18"), ("hunter2", "card-17")):
        worker = Login(cache_dir=folder, password=SecretStr(password))
        task = Card(owner="Ann", number=SecretStr(number))
        found = worker.explain(task)
        assert found.hit == (password == "hunter2" and number == "card-17")
        said = f"{found!r} {found} {run_inline(worker, task).cache}"
        assert "hunter" not in said
        assert "card-1" not in said
    database = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
    assert b"hunter" not in database
    assert b"card-17" not in database


def test_a_secret_that_changed_is_told_in_words(folder: Path) -> None:
    task = Card(owner="Ann", number=SecretStr("card-17"))
    run_inline(Login(cache_dir=folder, password=SecretStr("hunter2")), task)
    found = Login(cache_dir=folder, password=SecretStr("hunter3")).explain(task)
    assert found.reason == "setting password changed from a secret to another"
    assert found.differences == [Difference("setting", "password", "a secret", "another")]
    found = Login(cache_dir=folder, password=SecretStr("hunter2")).explain(Card(owner="Ann", number=SecretStr("18")))
    assert found.differences == [Difference("field", "number", "a secret", "another")]


class Client:
    def __init__(self, address: str) -> None:
        self.address = address


class Asking(CachedTaskWorker):
    output_types = [Price]

    def __init__(self, limit: int = 1, address: str = "a", password: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.limit = limit
        self.client = Client(address)
        self.password = password
        self.memo: dict[str, int] = {}

    def consume_work(self, task: Order) -> None:
        self.memo[task.item] = self.limit
        self.publish_work(Price(cents=self.limit))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"limit": 2}, "setting limit changed from 1 to 2"),
        ({"address": "b"}, "setting client changed from Client #.* to Client #.*"),
        ({"password": "hunter2"}, "setting password changed from a secret to another"),
    ],
)
def test_an_attribute_that_changed_is_named(folder: Path, given: dict[str, Any], reason: str) -> None:
    before: dict[str, Any] = {"password": "hunter1"}
    run_inline(Asking(cache_dir=folder, **before), Order(item="tea"))
    worker = Asking(cache_dir=folder, **before | given)
    found = worker.explain(Order(item="tea"))
    assert re.fullmatch(reason, found.reason)
    assert differing(found) == [("setting", next(iter(given)).replace("address", "client"))]
    assert dict(run_inline(worker, Order(item="tea"), Order(item="rum")).cache.reasons).keys() == {
        found.reason,
        NEW_INPUT,
    }
    assert "hunter" not in f"{found}"
    assert not [file for file in folder.iterdir() if b"hunter" in file.read_bytes()]


# ---- code, in modules that are edited

SHOP = """
from pydantic import field_validator
from planai import CachedTaskWorker, Task

{constant}

{helper}

class Order(Task):
    item: str
    {validator}

class Price(Task):
    cents: int
    {field}

class Rate(CachedTaskWorker):
    output_types = [Price]
    {option}

    def consume_work(self, task: Order) -> None:
        self.publish_work(Price(cents={code} + add(len(task.item)) + CONSTANT))
"""
PARTS = {
    "constant": "CONSTANT = 1",
    "helper": "def add(value):\n    return value + 1",
    "validator": "",
    "field": "",
    "option": "",
    "code": "1",
}
VALIDATOR = "@field_validator('item')\n    @classmethod\n    def lower(cls, value): return value.lower()"

EDITS = {
    "function": ({"code": "2"}, "code of {shop}.Rate.consume_work changed"),
    "helper": ({"helper": "def add(value):\n    return value + 2"}, "code of {shop}.add changed"),
    "constant": ({"constant": "CONSTANT = 2"}, "code of {shop}.CONSTANT changed"),
    "output type": ({"field": "more: int = 0"}, "output type {shop}:Price changed"),
    "validator of the input": ({"validator": VALIDATOR}, "code of {shop}.Order.lower is new"),
}

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return what imports another version of the same module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file, name = tmp_path / "edited_shop.py", "edited_shop"
    versions = itertools.count()

    def load_version(**parts: str) -> ModuleType:
        file.write_text(f"{SHOP.format(**PARTS | parts)}\n# version {next(versions)}\n")
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield load_version
    sys.modules.pop(name, None)


@pytest.mark.parametrize(("edit", "reason"), EDITS.values(), ids=EDITS)
def test_an_edit_is_named(load: Load, folder: Path, edit: dict[str, str], reason: str) -> None:
    shop = load()
    run_inline(shop.Rate(cache_dir=folder), shop.Order(item="tea"))
    shop = load(**edit)
    worker = shop.Rate(cache_dir=folder)
    found = worker.explain(shop.Order(item="tea"))
    assert not found.hit
    assert reason.format(shop="edited_shop") in found.reason
    result = run_inline(worker, shop.Order(item="tea"))
    assert dict(result.cache.reasons) == {found.reason: 1}
    assert result.cache.misses == 1
    shop = load()
    assert shop.Rate(cache_dir=folder).explain(shop.Order(item="tea")).hit, "taken back, it is there again"


@pytest.mark.parametrize(("edit", "reason"), [EDITS["function"], EDITS["helper"], EDITS["constant"]])
def test_an_edit_names_nothing_else(load: Load, folder: Path, edit: dict[str, str], reason: str) -> None:
    shop = load()
    run_inline(shop.Rate(cache_dir=folder), shop.Order(item="tea"))
    shop = load(**edit)
    assert shop.Rate(cache_dir=folder).explain(shop.Order(item="tea")).reason == reason.format(shop="edited_shop")


CONSTANTS = {
    "a secret by its name": ("API_TOKEN", "'hunter2'", "'hunter3'"),
    "a secret": ("PIN", "SecretStr('hunter2')", "SecretStr('hunter3')"),
    "a secret in a dict": ("OPTIONS", "{'api_key': 'hunter2'}", "{'api_key': 'hunter3'}"),
    "a secret in an object": ("ACCOUNT", "Account(password=SecretStr('hunter2'))", "Account()"),
    "a field that is not shown": ("PLACE", "Place(address='hunter2')", "Place(address='hunter3')"),
    "a secret in a dataclass": ("KEYS", "Keys(api_key='hunter2')", "Keys(api_key='hunter3')"),
    "a pattern": ("PATTERN", "re.compile('a')", "re.compile('b')"),
    "a figure": ("SHARE", "Decimal('1.1')", "Decimal('1.2')"),
}
OF_CONSTANTS = """
import dataclasses, re
from decimal import Decimal
from pydantic import BaseModel, Field, SecretStr
class Account(BaseModel):
    user: str = "ann"
    password: SecretStr = SecretStr("")
class Place(BaseModel):
    address: str = Field(repr=False)
@dataclasses.dataclass
class Keys:
    api_key: str
CONSTANT = 1
"""


@pytest.mark.parametrize(("name", "old", "new"), CONSTANTS.values(), ids=CONSTANTS)
def test_a_constant_that_changed_is_named_and_never_shown_if_it_is_secret(
    load: Load, folder: Path, name: str, old: str, new: str
) -> None:
    code = f"len(str({name}))"
    shop = load(constant=f"{OF_CONSTANTS}{name} = {old}", code=code)
    run_inline(shop.Rate(cache_dir=folder), shop.Order(item="tea"))
    worker = (shop := load(constant=f"{OF_CONSTANTS}{name} = {new}", code=code)).Rate(cache_dir=folder)
    found = worker.explain(shop.Order(item="tea"))
    assert found.reason == f"code of edited_shop.{name} changed"
    assert differing(found) == [("code", f"edited_shop.{name}")]
    assert dict(run_inline(worker, shop.Order(item="tea")).cache.reasons) == {found.reason: 1}
    assert "hunter" not in f"{found}"
    assert not [file for file in folder.iterdir() if b"hunter" in file.read_bytes()]


def test_where_code_does_not_decide_an_edit_is_a_hit(load: Load, folder: Path) -> None:
    option = {"option": "cache_code = False"}
    shop = load(**option)
    run_inline(shop.Rate(cache_dir=folder), shop.Order(item="tea"))
    shop = load(**option, code="2")
    assert shop.Rate(cache_dir=folder).explain(shop.Order(item="tea")).hit
    assert shop.Rate(cache_dir=folder).explain(shop.Order(item="rum")).reason == NEW_INPUT


def test_a_worker_that_let_its_code_decide_no_longer_is_another(load: Load, folder: Path) -> None:
    shop = load()
    run_inline(shop.Rate(cache_dir=folder), shop.Order(item="tea"))
    shop = load(option="cache_code = False")
    found = shop.Rate(cache_dir=folder).explain(shop.Order(item="tea"))
    assert (found.hit, found.nearest is None) == (False, False)
    assert "code" in found.reason


def test_a_name_of_ones_own_is_who_is_explained(folder: Path) -> None:
    run_inline(Rate(cache_dir=folder, cache_name="rates"), Order(item="tea"))
    assert Rate(cache_dir=folder).explain(Order(item="tea")).reason == FIRST
    found = Rate(cache_dir=folder, cache_name="rates").explain(Order(item="tea"))
    assert (found.worker, found.hit) == ("rates", True)


# ---- keys of one's own


def test_a_key_of_ones_own_has_no_parts_to_compare(folder: Path) -> None:
    class ByItem(Rate):
        def get_cache_key(self, task: Any) -> str:
            return f"item {task.item}"

    worker = ByItem(cache_dir=folder)
    assert worker.explain(Order(item="tea")).reason == NEW_KEY
    assert reasons(run_inline(worker, Order(item="tea"))) == {NEW_KEY: 1}
    assert worker.explain(Order(item="tea", amount=9)).hit
    assert worker.explain(Order(item="rum")).reason == NEW_KEY


def test_a_key_that_adds_to_the_librarys_own_is_still_explained_by_input(folder: Path) -> None:
    class Versioned(Rate):
        def get_cache_key(self, task: Any) -> str:
            return f"v1:{super().get_cache_key(task)}"

    worker = Versioned(cache_dir=folder)
    run_inline(worker, Order(item="tea"))
    assert worker.explain(Order(item="tea")).hit
    assert differing(worker.explain(Order(item="rum"))) == [("field", "item")]


def test_what_else_decides_is_no_new_input(folder: Path) -> None:
    class Dated(Rate):
        day: Annotated[str, CacheIgnore()] = "monday"

        def extra_cache_key(self, task: Any) -> str:
            return self.day

    run_inline(Dated(cache_dir=folder), Order(item="tea"))
    worker = Dated(cache_dir=folder, day="tuesday")
    assert worker.explain(Order(item="tea")).reason == "extra changed"
    assert reasons(run_inline(worker, Order(item="tea"), Order(item="rum"))) == {"extra changed": 1, NEW_INPUT: 1}
    changed = Dated(cache_dir=folder, day="friday", cents=7)
    expected = "setting cents changed from 5 to 7, extra changed"
    assert changed.explain(Order(item="tea")).reason == expected
    assert reasons(run_inline(changed, Order(item="tea"))) == {expected: 1}


# ---- provenance


class Page(Task):
    url: str


class Fetch(TaskWorker):
    output_types = [Order]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Order(item="the same"))


class Label(CachedTaskWorker):
    output_types = [Price]

    def consume_work(self, task: Order) -> None:
        page = task.find_input_task(Page)
        self.publish_work(Price(cents=len(page.url) if page else 0))


def test_what_is_new_above_the_input_is_told(folder: Path) -> None:
    fetch, label = Fetch(), Label(cache_dir=folder)
    graph = Graph(name="pages").add_workers(fetch, label)
    graph.set_dependency(fetch, label)
    graph.set_sink(label, Price)
    told = []
    for url in ("a", "b", "b"):
        result = graph.run([(fetch, Page(url=url))], display_terminal=False)
        told.append(reasons(result))
    assert told == [{FIRST: 1}, {PROVENANCE: 1}, {}]


def test_a_change_of_a_worker_that_looks_above_its_input_is_named(folder: Path) -> None:
    class Adjusted(Label):
        factor: int = 1

        def consume_work(self, task: Order) -> None:
            page = task.find_input_task(Page)
            self.publish_work(Price(cents=self.factor * len(page.url) if page else 0))

    told = []
    for settings in ({}, {"factor": 2}, {"factor": 2}):
        fetch, label = Fetch(), Adjusted(cache_dir=folder, **settings)
        graph = Graph(name="pages").add_workers(fetch, label)
        graph.set_dependency(fetch, label)
        graph.set_sink(label, Price)
        told.append(reasons(graph.run([(fetch, Page(url="a"))], display_terminal=False)))
    assert told == [{FIRST: 1}, {"setting factor changed from 1 to 2": 1}, {}]


def test_what_is_not_above_an_input_is_explained_by_the_look_up(folder: Path) -> None:
    fetch, label = Fetch(), Label(cache_dir=folder)
    graph = Graph(name="pages").add_workers(fetch, label)
    graph.set_dependency(fetch, label)
    graph.set_sink(label, Price)
    graph.run([(fetch, Page(url="a"))], display_terminal=False)
    found = label.explain(Order(item="the same"))
    assert (found.hit, found.reason) == (False, PROVENANCE)


# ---- remarks


class Dated(Task):
    text: str
    run_id: str


class Read(CachedTaskWorker):
    output_types = [Price]

    def consume_work(self, task: Dated) -> None:
        self.publish_work(Price(cents=len(task.text)))


def dated(run: str, numbers: range = range(5)) -> list[Dated]:
    return [Dated(text=str(number), run_id=run) for number in numbers]


def test_a_field_that_is_another_in_each_run_is_remarked(folder: Path) -> None:
    worker = Read(cache_dir=folder)
    assert run_inline(worker, *dated("first")).cache.remarks == ()
    (remark,) = run_inline(worker, *dated("second")).cache.remarks
    assert "Read" in remark
    assert "'run_id'" in remark
    assert "CacheIgnore" in remark
    assert run_inline(worker, *dated("second")).cache.remarks == (), "all were hits"


def test_new_inputs_are_not_remarked(folder: Path) -> None:
    worker = Read(cache_dir=folder)
    run_inline(worker, *dated("first"))
    assert run_inline(worker, *dated("first", range(9))).cache.remarks == ()
    assert run_inline(worker, *dated("first", range(9, 20))).cache.remarks == ()


def test_a_value_that_is_tried_beside_earlier_ones_is_not_remarked(folder: Path) -> None:
    worker = Read(cache_dir=folder)
    run_inline(worker, *dated("en"))
    assert run_inline(worker, *dated("en"), *dated("de")).cache.remarks == ()


def test_another_setting_is_not_remarked(folder: Path) -> None:
    run_inline(Rate(cache_dir=folder), *(Order(item=str(n)) for n in range(5)))
    assert run_inline(Rate(cache_dir=folder, cents=9), *(Order(item=str(n)) for n in range(5))).cache.remarks == ()


# ---- damage


def test_what_is_damaged_beside_entries_hinders_no_run_and_no_explanation(folder: Path) -> None:
    worker = Read(cache_dir=folder)
    run_inline(worker, *dated("first"))
    store = open_store(folder)
    for info in store.scan():
        record = store.get(info.space, info.key)
        assert record is not None
        fields = b'{"worker":1}' if info.space.startswith(PROFILES) else b'{"id":"a","fields":["b"]}'
        store.put(info.space, info.key, record._replace(about=fields))
    store.put(PROFILES + worker.cache_space, "deep", Record(b"", 1.0, about=b"[" * 100_000))
    store.put(worker.cache_space, "deep", Record(b"", 1.0, about=b'{"id":' * 100_000))
    assert worker.explain(dated("first")[0]).hit
    assert not worker.explain(dated("second")[0]).hit
    result = run_inline(worker, *dated("second"))
    assert (result.ok, result.cache_misses, result.cache.remarks) == (True, 5, ())


class ByHand(CachedTaskWorker):
    output_types = [Price]

    def consume_work(self, task: Order) -> None:
        price = self.get_from_cache(task) or Price(cents=task.amount)
        self.save_to_cache(task, price)
        self.publish_work(price)


def test_whoever_replays_by_hand_is_told_what_differs(tmp_path: Path) -> None:
    run_inline(ByHand(cache_dir=tmp_path), Order(item="tea"))
    (failure,) = run_inline(ByHand(cache_dir=tmp_path, cache_mode="replay"), Order(item="milk")).failures
    assert str(failure.error).startswith(f"the mode is 'replay', and {ByHand().cache_space!r} at the key")
    assert 'field item: "tea" -> "milk"' in str(failure.error)
