"""The identity of code: what an edit changes and what it does not, on modules that are written and imported."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from planai.cache.source import CodeIdentity


class Program:
    """Modules of a user, imported anew after each edit as a new process would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, **modules: str) -> ModuleType:
        """Write modules, and return the one called ``steps``."""
        for name in [name for name in sys.modules if name == "steps" or name.startswith("helpers")]:
            del sys.modules[name]
        for name, text in modules.items():
            (self._folder / f"{name}.py").write_text(dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module("steps")

    def digest(self, steps: str, helpers: str = "") -> str:
        """Return the digest of the class ``Worker`` in ``steps``."""
        return CodeIdentity(self.write(steps=steps, helpers=helpers).Worker).digest()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    yield Program(tmp_path)
    for name in ("steps", "helpers"):
        sys.modules.pop(name, None)


PLAIN = """
class Worker:
    def consume_work(self, task):
        total = 0
        while True:
            if task.done:
                break
            total += 1
        for item in task.items:
            total += item
        else:
            total -= 1
        with task.lock:
            try:
                return total
            except (KeyError, ValueError) as error:
                return str(error)
"""

SAME_AS_PLAIN = {
    "a comment and blank lines": PLAIN.replace("total = 0", "# why\n\n        total = 0  # zero\n\n"),
    "a moved class": "\n" * 20 + PLAIN,
    "docstrings": PLAIN.replace("Worker:", 'Worker:\n    """Works."""\n').replace(
        "task):", 'task):\n        """Do."""'
    ),
    "a docstring of the module": '"""Steps."""\n' + PLAIN,
    "another layout": PLAIN.replace(
        "(KeyError, ValueError)", "(\n                KeyError,\n            ValueError,\n)"
    ),
    "annotations": PLAIN.replace("(self, task)", "(self, task: object) -> int | str"),
    "what the worker does not reach": PLAIN + "\nUNUSED = 1\ndef unused(): return UNUSED\n",
    "an import": "import json\n" + PLAIN,
}


@pytest.mark.parametrize("edit", SAME_AS_PLAIN)
def test_what_changes_nothing_keeps_the_digest(program: Program, edit: str) -> None:
    assert program.digest(SAME_AS_PLAIN[edit]) == program.digest(PLAIN)


DIFFERS_FROM_PLAIN = {
    "a constant": PLAIN.replace("+= 1", "+= 2"),
    "the type of a constant": PLAIN.replace("total = 0", "total = 0.0"),
    "an operator": PLAIN.replace("total += item", "total -= item"),
    "an attribute": PLAIN.replace("task.items", "task.parts"),
    "an added method": PLAIN + "\n    def extra(self): return 1\n",
    "an added argument": PLAIN.replace("(self, task)", "(self, task, more=None)"),
    "a caught error": PLAIN.replace("ValueError", "TypeError"),
    "a generator": PLAIN.replace("total += 1", "yield total"),
    "async": PLAIN.replace("    def", "    async def"),
}


def test_another_name_of_an_argument_changes_the_digest(program: Program) -> None:
    steps = "class Worker:\n    def consume_work(self, task): return dict(1, {}=2)\n"
    assert program.digest(steps.format("one")) != program.digest(steps.format("other"))


@pytest.mark.parametrize("edit", DIFFERS_FROM_PLAIN)
def test_an_edited_body_changes_the_digest(program: Program, edit: str) -> None:
    assert program.digest(DIFFERS_FROM_PLAIN[edit]) != program.digest(PLAIN)


REACHED = {
    "a function": """
        def helper(): return {}
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "a function that a function calls": """
        def deeper(): return {}
        def helper(): return deeper()
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "functions that call each other": """
        def one(n): return two(n - 1) if n else 0
        def two(n): return one(n - {}) if n else 0
        class Worker:
            def consume_work(self, task): return one(task)
        """,
    "a base class": """
        class Base:
            def step(self): return {}
        class Worker(Base):
            def consume_work(self, task): return self.step()
        """,
    "a nested function": """
        class Worker:
            def consume_work(self, task):
                def step(): return {}
                return step()
        """,
    "a lambda": """
        class Worker:
            def consume_work(self, task): return sorted(task, key=lambda item: item + {})
        """,
    "a nested class": """
        class Worker:
            class Inner:
                def step(self): return {}
            def consume_work(self, task): return self.Inner().step()
        """,
    "a comprehension": """
        class Worker:
            def consume_work(self, task): return [item + {} for item in task]
        """,
    "a closure": """
        def make(size):
            def step(self): return size
            return step
        class Worker:
            consume_work = make({})
        """,
    "a default argument": """
        class Worker:
            def consume_work(self, task, size={}): return size
        """,
    "a default of a keyword": """
        def helper(*, size={}): return size
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "a module constant": """
        SIZE = {}
        class Worker:
            def consume_work(self, task): return SIZE
        """,
    "a part of a module constant": """
        SIZES = {{"small": [1, {}]}}
        class Worker:
            def consume_work(self, task): return SIZES["small"]
        """,
    "a class variable": """
        class Worker:
            size = {}
            def consume_work(self, task): return self.size
        """,
    "a static method": """
        class Worker:
            @staticmethod
            def step(): return {}
            def consume_work(self, task): return self.step()
        """,
    "a class method": """
        class Worker:
            @classmethod
            def step(cls): return {}
            def consume_work(self, task): return self.step()
        """,
    "a property": """
        class Worker:
            @property
            def size(self): return {}
            def consume_work(self, task): return self.size
        """,
    "the setter of a property": """
        class Worker:
            @property
            def size(self): return 0
            @size.setter
            def size(self, value): self.kept = value + {}
            def consume_work(self, task): self.size = 1
        """,
    "a cached property": """
        import functools
        class Worker:
            @functools.cached_property
            def size(self): return {}
            def consume_work(self, task): return self.size
        """,
    "a cached function": """
        import functools
        @functools.lru_cache
        def helper(): return {}
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "an argument of a decorator": """
        def adding(size):
            def decorate(function):
                def wrapper(*args): return function(*args) + size
                return wrapper
            return decorate
        class Worker:
            @adding({})
            def consume_work(self, task): return 0
        """,
    "a decorated function": """
        import functools
        def plain(function):
            @functools.wraps(function)
            def wrapper(*args): return function(*args)
            return wrapper
        class Worker:
            @plain
            def consume_work(self, task): return {}
        """,
    "a partial": """
        import functools
        def helper(size): return size
        step = functools.partial(helper, {})
        class Worker:
            def consume_work(self, task): return step()
        """,
    "a function in a table": """
        def helper(): return {}
        STEPS = {{"a": helper}}
        class Worker:
            def consume_work(self, task): return STEPS[task]()
        """,
    "the class of an object": """
        class Client:
            def __init__(self): self.lock = object()
            def ask(self): return {}
        CLIENT = Client()
        class Worker:
            def consume_work(self, task): return CLIENT.ask()
        """,
    "a method of an enum": """
        import enum
        class Mode(enum.Enum):
            FAST = 1
            def speed(self): return {}
        class Worker:
            def consume_work(self, task): return Mode.FAST.speed()
        """,
    "the default of a field": """
        from pydantic import BaseModel
        class Result(BaseModel):
            size: int = {}
        class Worker:
            def consume_work(self, task): return Result()
        """,
    "a validator": """
        from pydantic import BaseModel, field_validator
        class Result(BaseModel):
            size: int = 0
            @field_validator("size")
            @classmethod
            def more(cls, size): return size + {}
        class Worker:
            def consume_work(self, task): return Result()
        """,
    "a computed field": """
        from pydantic import BaseModel, computed_field
        class Result(BaseModel):
            @computed_field
            @property
            def size(self) -> int: return {}
        class Worker:
            def consume_work(self, task): return Result().size
        """,
    "a class in a table": """
        class Step:
            def run(self): return {}
        STEPS = [Step]
        class Worker:
            def consume_work(self, task): return [step().run() for step in STEPS]
        """,
    "a function in a set": """
        def helper(): return {}
        STEPS = frozenset([helper])
        class Worker:
            def consume_work(self, task): return [step() for step in STEPS]
        """,
    "a method of a dataclass": """
        import dataclasses
        @dataclasses.dataclass
        class Settings:
            size: int = 1
            def doubled(self): return self.size * {}
        SETTINGS = Settings()
        class Worker:
            def consume_work(self, task): return SETTINGS.doubled()
        """,
    "a method of a metaclass": """
        class Meta(type):
            def step(cls): return {}
        class Step(metaclass=Meta): ...
        class Worker:
            def consume_work(self, task): return Step.step()
        """,
    "a bound method's object": """
        class Client:
            def __init__(self, size): self.size = size
            def ask(self): return self.size
        ask = Client({}).ask
        class Worker:
            def consume_work(self, task): return ask()
        """,
    "one of two functions that are called alike": """
        def make(size):
            def step(): return size
            return step
        STEPS = {{"a": make({}), "b": make(1)}}
        class Worker:
            def consume_work(self, task): return STEPS["a"]()
        """,
    "an argument of a class that is a decorator": """
        class adding:
            def __init__(self, size): self.size = size
            def __call__(self, function): return lambda *args: function(*args) + self.size
        @adding({})
        def helper(): return 0
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "what makes a default of a dataclass": """
        import dataclasses
        def make(): return {}
        @dataclasses.dataclass
        class Settings:
            size: int = dataclasses.field(default_factory=make)
        class Worker:
            def consume_work(self, task): return Settings().size
        """,
    "an implementation of a singledispatchmethod": """
        import functools
        class Worker:
            @functools.singledispatchmethod
            def step(self, value): return 0
            @step.register
            def _(self, value: int): return {}
            def consume_work(self, task): return self.step(task)
        """,
    "what a descriptor holds": """
        class Sized:
            def __init__(self, size): self.size = size
            def __get__(self, owner, kind): return self.size
        class Worker:
            size = Sized({})
            def consume_work(self, task): return self.size
        """,
    "an object that holds itself": """
        class Node:
            def __init__(self, size): self.parts = [{{"size": size}}, self]
        NODE = Node({})
        class Worker:
            def consume_work(self, task): return NODE.parts
        """,
    "what is beside a lock": """
        import threading
        from typing import Any
        from pydantic import BaseModel
        class Settings(BaseModel):
            lock: Any
            size: int
        SETTINGS = Settings(lock=threading.Lock(), size={})
        class Worker:
            def consume_work(self, task): return SETTINGS.size
        """,
    "a class in an alias": """
        class Step:
            def run(self): return {}
        STEPS = dict[str, Step]
        class Worker:
            def consume_work(self, task): return STEPS.__args__[1]().run()
        """,
    "a private attribute of a worker": """
        from planai import CachedTaskWorker, Task
        class Worker(CachedTaskWorker):
            output_types = [Task]
            _prompt = "say {}"
            def consume_work(self, task: Task): return self._prompt
        """,
}


@pytest.mark.parametrize("what", REACHED)
def test_an_edit_of_what_the_worker_reaches_changes_the_digest(program: Program, what: str) -> None:
    assert program.digest(REACHED[what].format(1)) != program.digest(REACHED[what].format(2))


@pytest.mark.parametrize("what", REACHED)
def test_the_same_text_has_the_same_digest_when_it_is_imported_again(program: Program, what: str) -> None:
    assert program.digest(REACHED[what].format(1)) == program.digest(REACHED[what].format(1))


IMPORTS = {
    "a name from it": """
        from helpers import helper
        class Worker:
            def consume_work(self, task): return helper()
        """,
    "the module": """
        import helpers
        class Worker:
            def consume_work(self, task): return helpers.helper()
        """,
    "a class of it": """
        import helpers
        class Worker:
            def consume_work(self, task): return helpers.Step().run()
        """,
    "a base from it": """
        import helpers
        class Worker(helpers.Step):
            def consume_work(self, task): return self.run()
        """,
    "a constant of it": """
        import helpers
        class Worker:
            def consume_work(self, task): return helpers.SIZE
        """,
    "a name, in the function": """
        class Worker:
            def consume_work(self, task):
                from helpers import helper
                return helper()
        """,
    "the module, as another name": """
        import helpers as tools
        class Worker:
            def consume_work(self, task):
                import helpers as own
                return (own, tools.helper())[0].helper()
        """,
    "the module, handed on": """
        import helpers
        class Worker:
            def consume_work(self, task): return vars(helpers)["helper"]()
        """,
    "the module, in the function": """
        class Worker:
            def consume_work(self, task):
                import helpers
                return helpers.helper()
        """,
}
HELPERS = """
SIZE = {}
def helper(): return SIZE
class Step:
    def run(self): return SIZE
"""


@pytest.mark.parametrize("how", IMPORTS)
def test_an_edit_of_another_module_changes_the_digest(program: Program, how: str) -> None:
    assert program.digest(IMPORTS[how], HELPERS.format(1)) != program.digest(IMPORTS[how], HELPERS.format(2))


def test_an_edit_of_a_module_of_a_package_changes_the_digest(program: Program, tmp_path: Path) -> None:
    package = tmp_path / "helpers_of_a_package" / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "near.py").write_text("def step():\n    from .. import base\n    return base.SIZE\n")
    ways = [
        "import helpers_of_a_package.deep.near; return helpers_of_a_package.deep.near.step()",
        "import helpers_of_a_package.deep.near as near; return near.step()",
        "from helpers_of_a_package.deep import near; return near.step()",
    ]
    for way in ways:
        digests = set()
        for size in (1, 2):
            (package.parent / "base.py").write_text(f"SIZE = {size}\n")
            digests.add(program.digest(f"class Worker:\n    def consume_work(self, task):\n        {way}\n"))
        assert len(digests) == 2, way


def test_another_base_from_elsewhere_changes_the_digest(program: Program) -> None:
    steps = "import json\nclass Step(json.{}): ...\nclass Worker:\n    def consume_work(self, task): return Step()\n"
    assert program.digest(steps.format("JSONEncoder")) != program.digest(steps.format("JSONDecoder"))


def test_a_comment_in_another_module_keeps_the_digest(program: Program) -> None:
    steps = IMPORTS["a name from it"]
    assert program.digest(steps, HELPERS.format(1)) == program.digest(steps, "# why\n" + HELPERS.format(1))


def test_reverting_an_edit_gives_the_digest_back(program: Program) -> None:
    first = program.digest(PLAIN)
    assert program.digest(PLAIN.replace("+= 1", "+= 2")) != first
    assert program.digest(PLAIN) == first


def test_another_folder_keeps_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for folder in (tmp_path / "one", tmp_path / "other" / "deep"):
        folder.mkdir(parents=True)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            found.add(Program(folder).digest(PLAIN))
    sys.modules.pop("steps")
    sys.modules.pop("helpers", None)
    assert len(found) == 1


def test_what_a_try_covers_changes_the_digest(program: Program) -> None:
    inside = """
        class Worker:
            def consume_work(self, task):
                try:
                    loaded = self.load(task)
                    parsed = self.parse(loaded)
                except ValueError:
                    parsed = None
                return parsed
        """
    outside = """
        class Worker:
            def consume_work(self, task):
                loaded = self.load(task)
                try:
                    parsed = self.parse(loaded)
                except ValueError:
                    parsed = None
                return parsed
        """
    assert program.digest(inside) != program.digest(outside)


def test_another_of_two_known_functions_under_a_name_changes_the_digest(program: Program) -> None:
    steps = """
        def fast(): return 1
        def slow(): return 2
        default = {}
        class Worker:
            def consume_work(self, task): return (fast(), slow(), default())
        """
    assert program.digest(steps.format("fast")) != program.digest(steps.format("slow"))


def test_a_docstring_of_a_class_in_a_function_keeps_the_digest(program: Program) -> None:
    steps = """
        class Worker:
            def consume_work(self, task):
                class Local:
                    {}
                    size = 1
                return Local
        """
    assert program.digest(steps.format("")) == program.digest(steps.format('"""Doc."""'))


# ---- in a running process


def test_a_replaced_module_global_changes_the_digest(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = program.write(steps="SIZE = 1\nclass Worker:\n    def consume_work(self, task): return SIZE\n")
    identity = CodeIdentity(steps.Worker)
    first = identity.digest()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "SIZE", 2)
        assert identity.digest() != first
    assert identity.digest() == first


def test_a_replaced_helper_of_another_module_changes_the_digest(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = program.write(steps=IMPORTS["the module"], helpers=HELPERS.format(1))
    identity = CodeIdentity(steps.Worker)
    first = identity.digest()
    monkeypatch.setattr(sys.modules["helpers"], "helper", lambda: 5)
    assert identity.digest() != first


def test_a_replaced_method_changes_the_digest(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = program.write(steps=REACHED["a base class"].format(1))
    identity = CodeIdentity(steps.Worker)
    first = identity.digest()
    monkeypatch.setattr(steps.Base, "step", lambda self: 5)
    assert identity.digest() != first


def test_code_of_python_and_of_planai_is_not_followed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = program.write(
        steps="""
        import textwrap
        from planai.cache.memo import per_class
        class Worker:
            def consume_work(self, task): return textwrap.dedent(task), per_class(task)
        """
    )
    first = CodeIdentity(steps.Worker).digest()
    textwrap = textwrap_of(steps)
    other = (lambda text: None).__code__.replace(co_filename=str(textwrap.__file__))  # as of another version of it
    monkeypatch.setattr(textwrap.dedent, "__code__", other)
    assert CodeIdentity(steps.Worker).digest() == first


def textwrap_of(steps: ModuleType) -> ModuleType:
    found = steps.textwrap
    assert isinstance(found, ModuleType)
    return found


# ---- in every process

STABLE = """
import enum, functools, logging
from typing import Annotated
from pydantic import AfterValidator, BaseModel, Field

log = logging.getLogger("steps")
WORDS = {{"one", "two", "three"}}

class Mode(enum.Enum):
    FAST = 1

def strip(text): return text.strip()

class Result(BaseModel):
    text: {}
    mode: Mode = Mode.FAST
    more: list[str] = Field(default_factory=lambda: ["a"])

class Worker:
    log = log
    def consume_work(self, task):
        if task in {{"a", "b", "c"}} or task in WORDS:
            self.log.info("seen")
        return functools.reduce(lambda one, two: one + two, [Result(text=task)])
"""


def in_process(folder: Path, steps: str, seed: int) -> str:
    (folder / "steps.py").write_text(steps)
    script = f"padding = ['x' * {seed}] * {seed}\nfrom planai.cache.source import CodeIdentity\n"
    script += "import steps\nprint(CodeIdentity(steps.Worker).digest())"
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "annotation",
    [
        "str",
        "Annotated[str, AfterValidator(strip)]",
        "list[Annotated[str, AfterValidator(strip)]]",
    ],
)
def test_processes_with_different_hash_seeds_agree(tmp_path: Path, annotation: str) -> None:
    steps = STABLE.format(annotation)
    assert in_process(tmp_path, steps, 1) == in_process(tmp_path, steps, 40_000)


def test_threads_that_ask_at_once_get_one_digest_though_the_code_changes_something(program: Program) -> None:
    steps = program.write(
        steps="""
        MEMO, COUNT = {}, 0
        def helper(value):
            global COUNT
            COUNT += 1
            MEMO[COUNT] = value
        class Worker:
            def consume_work(self, task): return helper(task)
        """
    )
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            kind = type("Worker", (steps.Worker,), {"__module__": "steps"})
            identity, barrier = CodeIdentity(kind), threading.Barrier(8)
            assert len(set(pool.map(partial(digest_and_run, kind, identity, barrier), range(8)))) == 1


def digest_and_run(kind: Any, identity: CodeIdentity, barrier: threading.Barrier, value: int) -> str:
    barrier.wait(60)
    found = identity.digest()
    for _ in range(20):
        kind().consume_work(value)
    return found
