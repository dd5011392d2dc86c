"""Found while looking for wrong answers: edits, and changes in a running process, that did not reach the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.pitfalls.kit import Versions, run
from planai.errors import UnkeyableValue

HELPERS = """
FACTOR = FIGURE

def helper(value):
    return value * FIGURE

class Shape:
    def size(self, value):
        return value * FIGURE
"""

RESULT = """
class Result(Task):
    score: int = 0
    label: str = ""
"""


def consuming(body: str, before: str = "", fields: str = "") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    head = f"{RESULT}{before}\nclass Work(CachedTaskWorker):\n    output_types = [Result]\n    {fields}\n"
    return f"{head}    def consume_work(self, task: Number) -> None:\n{lines}\n"


MARKED = "result = Result()\nresult.score = {call}\nself.publish_work(result)"
PLAIN = "self.publish_work(Result(score={call}))"

REACHED: dict[str, str] = {
    "a helper that has the name of an attribute which is assigned": consuming(
        MARKED.format(call="score(task.value)"), "def score(value):\n    return value * FIGURE\n"
    ),
    "a constant that has the name of an attribute which is assigned": consuming(
        MARKED.format(call="score * task.value"), "score = FIGURE\n"
    ),
    "an imported helper that has the name of an attribute which is assigned": consuming(
        MARKED.format(call="score(task.value)"), "from helpers import helper as score\n"
    ),
    "the implementation for a type of a singledispatch function": consuming(
        PLAIN.format(call="scored(task.value)"),
        "import functools\n@functools.singledispatch\ndef scored(value):\n    return 0\n"
        "@scored.register\ndef _(value: int):\n    return value * FIGURE\n",
    ),
    "the argument of a partialmethod": consuming(
        PLAIN.format(call="self.twice(task.value)"),
        "import functools\n",
        "def times(self, value, factor):\n        return value * factor\n"
        "    twice = functools.partialmethod(times, factor=FIGURE)\n",
    ),
    "a method of a model that is a setting": consuming(
        PLAIN.format(call="self.scorer.size(task.value)"),
        "from pydantic import BaseModel\nclass Scorer(BaseModel):\n"
        "    def size(self, value):\n        return value * FIGURE\n",
        "scorer: BaseModel = Scorer()",
    ),
    "a class that is a setting": consuming(
        PLAIN.format(call="self.kind().size(task.value)"), "from helpers import Shape\n", "kind: type = Shape"
    ),
    "a module that is a class variable": consuming(
        PLAIN.format(call="self.tools.helper(task.value)"), "import helpers\n", "tools = helpers"
    ),
    "a module in a list": consuming(
        PLAIN.format(call="MODULES[0].helper(task.value)"), "import helpers\nMODULES = [helpers]\n"
    ),
    "a module that is passed on": consuming(
        PLAIN.format(call="through(helpers, task.value)"),
        "import helpers\ndef through(module, value):\n    return module.helper(value)\n",
    ),
    "a function that is found by getattr": consuming(
        PLAIN.format(call='getattr(helpers, "helper")(task.value)'), "import helpers\n"
    ),
    "a template of the standard library": consuming(
        PLAIN.format(call="int(TEXT.substitute(value=task.value))"),
        'import string\nTEXT = string.Template("FIGURE$value")\n',
    ),
    "a template of jinja": consuming(
        PLAIN.format(call="int(TEXT.render(value=task.value))"),
        'import jinja2\nTEXT = jinja2.Template("FIGURE{{ value }}")\n',
    ),
    "a methodcaller": consuming(
        PLAIN.format(call='len(CALL("x"))'), 'import operator\nCALL = operator.methodcaller("zfill", FIGURE)\n'
    ),
    "an object with slots": consuming(
        PLAIN.format(call="task.value * PART.factor"),
        "class Part:\n    __slots__ = ('factor',)\n    def __init__(self, factor):\n        self.factor = factor\n"
        "PART = Part(FIGURE)\n",
    ),
    "an attribute of a function": consuming(
        PLAIN.format(call="task.value * scored.factor"), "def scored():\n    pass\nscored.factor = FIGURE\n"
    ),
    "the config of a model": consuming(
        PLAIN.format(call="ord(Short(text='a').text)"),
        "from pydantic import BaseModel\nclass Short(BaseModel):\n"
        "    model_config = {'str_strip_whitespace': FIGURE == 1, 'str_to_upper': FIGURE == 2}\n    text: str\n",
    ),
    "the alias of a field": consuming(
        PLAIN.format(call="Parsed.model_validate(dict(a1=10, a2=20)).value"),
        "from pydantic import BaseModel, Field\nclass Parsed(BaseModel):\n    value: int = Field(alias='aFIGURE')\n",
    ),
    "what a type adapter checks": consuming(
        PLAIN.format(call="ADAPTER.validate_python(task.value)"),
        "from typing import Annotated\nfrom pydantic import AfterValidator, TypeAdapter\n"
        "ADAPTER = TypeAdapter(Annotated[int, AfterValidator(lambda value: value * FIGURE)])\n",
    ),
    "a constant beside a class that cannot be asked for its subclasses": consuming(
        PLAIN.format(call="Pair(one=FIGURE)['one']"),
        "from typing import TypedDict\nclass Pair(TypedDict):\n    one: int\n",
    ),
    "the base of a typed dict": consuming(
        PLAIN.format(call="len(Pair.__annotations__)"),
        "from typing import TypedDict\nclass One(TypedDict):\n    one: int\nclass Two(One):\n    two: int\n"
        "Pair = [One, Two][FIGURE - 1]\n",
    ),
    "a function that is a setting": consuming(
        PLAIN.format(call="self.fn(task.value)"),
        "from collections.abc import Callable\ndef scored(value):\n    return value * FIGURE\n",
        "fn: Callable[[int], int] = scored",
    ),
    "a lambda that is a setting": consuming(
        PLAIN.format(call="self.fn(task.value)"),
        "from collections.abc import Callable\n",
        "fn: Callable[[int], int] = lambda value: value * FIGURE",
    ),
    "a partial that is a setting": consuming(
        PLAIN.format(call="self.fn(task.value)"),
        "import functools\nfrom typing import Any\ndef scored(value, n):\n    return value * n\n",
        "fn: Any = functools.partial(scored, n=FIGURE)",
    ),
    "a bound method that is a setting": consuming(
        PLAIN.format(call="self.fn(task.value)"),
        "from typing import Any\nclass Part:\n    def __init__(self, n):\n        self.n = n\n"
        "    def go(self, value):\n        return value * self.n\n",
        "fn: Any = Part(FIGURE).go",
    ),
    "a function in a table that is a setting": consuming(
        PLAIN.format(call="self.table['a'](1)"),
        "from typing import Any\ndef scored(value):\n    return value * FIGURE\n",
        "table: dict[str, Any] = {'a': scored}",
    ),
    "the dict of a module": consuming(PLAIN.format(call="helpers.__dict__['helper'](1)"), "import helpers\n"),
    "what a pattern matches": consuming(
        "match Pair():\n    case Pair(found):\n        " + PLAIN.format(call="found"),
        "class Pair:\n    __match_args__ = (('one', 'two')[FIGURE - 1],)\n    one = 1\n    two = 2\n",
    ),
    "a docstring that is used": consuming(
        "self.publish_work(Result(label=scored.__doc__))", 'def scored():\n    "say FIGURE"\n'
    ),
    "the docstring of a class that is used": consuming(
        "self.publish_work(Result(label=inspect.getdoc(Prompt)))",
        'import inspect\nclass Prompt:\n    "say FIGURE"\n',
    ),
    "the description of a field that is used": consuming(
        "self.publish_work(Result(label=str(Asked.model_json_schema())))",
        "from pydantic import BaseModel, Field\nclass Asked(BaseModel):\n"
        "    value: int = Field(description='say FIGURE')\n",
    ),
    "the name of an argument": consuming(
        PLAIN.format(call="scored(aFIGURE=task.value)"), "def scored(a1=0, a2=0):\n    return a1 - a2\n"
    ),
    "the order of a table": consuming(
        PLAIN.format(call="next(found for word, found in TABLE.items() if word in 'ab')"),
        "TABLE = dict([('a', 1), ('b', 2)][:: 3 - 2 * FIGURE])\n",
    ),
    "the far end of a chain": consuming(
        "node = CHAIN\nwhile node.next is not None:\n    node = node.next\n" + PLAIN.format(call="node.value"),
        "class Node:\n    def __init__(self, value, following):\n        self.value, self.next = value, following\n"
        "CHAIN = Node(FIGURE, None)\nfor _ in range(2000):\n    CHAIN = Node(0, CHAIN)\n",
    ),
    "the default of a context variable": consuming(
        PLAIN.format(call="LEVEL.get()"),
        "import contextvars\nLEVEL = contextvars.ContextVar('level', default=FIGURE)\n",
    ),
    "an object in the place of a module": consuming(
        PLAIN.format(call="replaced.size(1)"), "import replacing as replaced\n"
    ),
    "the description of a field of the input": consuming(
        "self.publish_work(Result(label=type(task).model_fields['more'].description))",
        "from pydantic import Field\nclass Number(Task):\n    value: int\n"
        "    more: int = Field(0, description='say FIGURE')\n",
    ),
    "what a schema says besides": consuming(
        "self.publish_work(Result(label=str(Asked.model_json_schema())))",
        "from pydantic import BaseModel, Field\nclass Asked(BaseModel):\n"
        "    value: int = Field(json_schema_extra={'unit': FIGURE})\n",
    ),
    "whether a field is shown": consuming(
        "self.publish_work(Result(label=repr(Shown())))",
        "from pydantic import BaseModel, Field\nclass Shown(BaseModel):\n    value: int = Field(0, repr=FIGURE == 1)\n",
    ),
    "the argument of a generic base": consuming(
        "self.publish_work(Result(label=str(Box.__orig_bases__)))",
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Base(Generic[T]):\n    pass\n"
        "class Box(Base[[int, str][FIGURE - 1]]):\n    pass\n",
    ),
    "the argument of a generic model": consuming(
        "self.publish_work(Result(label=Chosen.__pydantic_generic_metadata__['args'][0].__name__))",
        "from typing import Generic, TypeVar\nfrom pydantic import BaseModel\nT = TypeVar('T')\n"
        "class Box(BaseModel, Generic[T]):\n    pass\nclass Chosen(Box[[int, str][FIGURE - 1]]):\n    pass\n"
        "Chosen = Chosen.__mro__[1]\n",
    ),
    "what a named tuple holds": consuming(
        "self.publish_work(Result(label=repr(ADAPTER.validate_python((1,)))))",
        "from typing import Annotated, NamedTuple\nfrom pydantic import AfterValidator, TypeAdapter\n"
        "class Pair(NamedTuple):\n    a: Annotated[int, AfterValidator(lambda value: value * FIGURE)]\n"
        "ADAPTER = TypeAdapter(Pair)\n",
    ),
    "annotations that name what is not there": consuming(
        "self.publish_work(Result(label=str(scored.__annotations__)))",
        "def scored(value: 'Missing[FIGURE]'):\n    pass\n",
    ),
    "a name that is used": consuming(
        "self.publish_work(Result(label=scored.__name__))",
        "def a1():\n    pass\ndef a2():\n    pass\nscored = aFIGURE\n",
    ),
    "a source that is used": consuming(
        "self.publish_work(Result(label=inspect.getsource(scored)))",
        "import inspect\ndef scored():\n    # FIGURE\n    pass\n",
    ),
    "annotations that are used": consuming(
        "self.publish_work(Result(label=str(Pair.__annotations__) + str(scored.__annotations__)))",
        "class Pair:\n    one: [int, str][FIGURE - 1]\ndef scored(value: [int, str][FIGURE - 1]):\n    pass\n",
    ),
    "what a typed dict holds": consuming(
        "self.publish_work(Result(label=repr(ADAPTER.validate_python({'a': 1}))))",
        "from typing import Annotated\nfrom pydantic import AfterValidator, TypeAdapter\n"
        "from typing_extensions import TypedDict\nclass Pair(TypedDict):\n"
        "    a: Annotated[int, AfterValidator(lambda value: value * FIGURE)]\nADAPTER = TypeAdapter(Pair)\n",
    ),
    "the bound of a variable for types": consuming(
        "self.publish_work(Result(label=repr(TypeAdapter(list[T]).validate_python(['1'], strict=False))))",
        "from typing import TypeVar\nfrom pydantic import TypeAdapter\n"
        "T = TypeVar('T', bound=[int, str][FIGURE - 1])\n",
    ),
    "bytes that are only viewed": consuming(PLAIN.format(call="VIEW[0]"), "VIEW = memoryview(bytes([FIGURE]))\n"),
    "what is held weakly": consuming(
        PLAIN.format(call="HELD().size(1)"),
        "import weakref\nfrom helpers import Shape\nkept = Shape()\nHELD = weakref.ref(kept)\n",
    ),
    "a comparison that sorts": consuming(
        PLAIN.format(call="sorted([1, 2], key=KEY)[0]"),
        "import functools\ndef compare(one, other):\n    return (one - other) * (3 - 2 * FIGURE)\n"
        "KEY = functools.cmp_to_key(compare)\n",
    ),
    "a constant that a call counts on from": consuming(
        "global START\nSTART += 1\n" + PLAIN.format(call="START"), "START = FIGURE\n"
    ),
}

MADE_UP: dict[str, str] = {
    "a subclass that nobody names": consuming(
        PLAIN.format(call="Step.__subclasses__()[0]().go(task.value)"),
        "class Step:\n    pass\nclass Real(Step):\n    def go(self, value):\n        return value * FIGURE\n",
    ),
    "a subclass of a subclass that a class finds": consuming(
        PLAIN.format(call="Step.find()().go(task.value)"),
        "class Step:\n    @classmethod\n    def find(cls):\n"
        "        return next(one for kind in cls.__subclasses__() for one in kind.__subclasses__())\n"
        "class Half(Step):\n    pass\nclass Real(Half):\n    def go(self, value):\n        return value * FIGURE\n",
    ),
    "a subclass in another module": consuming(
        PLAIN.format(call="Shape.__subclasses__()[0].FACTOR"),
        "from helpers import Shape\nclass Other(Shape):\n    FACTOR = FIGURE\n",
    ),
    "another subclass": consuming(
        PLAIN.format(call="len(Step.__subclasses__())"),
        "class Step:\n    pass\nfor number in range(FIGURE):\n    exec(f'class Real{number}(Step): pass')\n"
        "kept = Step.__subclasses__()\n",
    ),
    "a function that is found in globals": consuming(
        PLAIN.format(call='globals()["scored"](task.value)'), "def scored(value):\n    return value * FIGURE\n"
    ),
    "a function that is found in the globals of a function": consuming(
        PLAIN.format(call='first.__globals__["scored"](task.value)'),
        "def first():\n    pass\ndef scored(value):\n    return value * FIGURE\n",
    ),
    "a function that is found in this module": consuming(
        PLAIN.format(call='getattr(sys.modules[__name__], "scored")(task.value)'),
        "def scored(value):\n    return value * FIGURE\n",
    ),
    "a function that an evaluated text names": consuming(
        PLAIN.format(call='eval("scor" + "ed")(task.value)'), "def scored(value):\n    return value * FIGURE\n"
    ),
    "a function that an executed text names": consuming(
        "space = dict(globals())\nexec('found = scored(1)', space)\n" + PLAIN.format(call="space['found']"),
        "def scored(value):\n    return value * FIGURE\n",
    ),
    "a module that is imported by name": consuming(
        PLAIN.format(call='importlib.import_module("helpers").helper(task.value)'), "import importlib\n"
    ),
    "a module that is imported by the name in a constant": consuming(
        PLAIN.format(call="import_module(NAME).helper(task.value)"),
        "from importlib import import_module\nNAME = 'helpers'\n",
    ),
    "a module that is imported inside by name": consuming(
        "from importlib import import_module\n" + PLAIN.format(call='import_module("helpers").helper(task.value)')
    ),
    "a module that is imported by the builtin": consuming(
        PLAIN.format(call='__import__("helpers").helper(task.value)')
    ),
    "a loaded module": consuming(
        PLAIN.format(call='sys.modules.get("helpers", None).helper(task.value)'), "import helpers\n"
    ),
    "what a module makes when it is asked": consuming(
        PLAIN.format(call="lazy.factor"),
        "import lazy\n",
    ),
    "what is imported of a module that makes it when it is asked": consuming(
        "from lazy import factor\n" + PLAIN.format(call="factor"),
    ),
}
"""What is named only while the code runs."""

LAZY = """
def __getattr__(name):
    if name == "factor":
        return FIGURE
    raise AttributeError(name)
"""

REPLACING = """
import sys

class replaced:
    __file__ = __file__

    @staticmethod
    def size(value):
        return value * FIGURE

sys.modules[__name__] = replaced
"""


def answers(versions: Versions, folder: Path, text: str) -> list[str]:
    """Run the same text with two figures in it, as if it had been edited."""
    found_answers = []
    for figure in (1, 2):
        others = {"helpers": HELPERS, "lazy": LAZY, "replacing": REPLACING}
        written = {name: other.replace("FIGURE", str(figure)) for name, other in others.items()}
        steps = versions.load(text.replace("FIGURE", str(figure)), **written)
        result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
        assert result.failures == [], result.failures[0].traceback
        found_answers += [repr(output) for output in result.outputs]
    return found_answers


@pytest.mark.parametrize("text", REACHED.values(), ids=REACHED)
def test_an_edit_is_computed_again_however_the_code_is_reached(versions: Versions, folder: Path, text: str) -> None:
    one, other = answers(versions, folder, text)
    assert one != other


@pytest.mark.parametrize("text", MADE_UP.values(), ids=MADE_UP)
def test_an_edit_is_computed_again_though_its_name_is_made_up(versions: Versions, folder: Path, text: str) -> None:
    one, other = answers(versions, folder, text)
    assert one != other


UNKNOWN: dict[str, str] = {
    "a module that is named by the task": consuming(
        PLAIN.format(call="importlib.import_module(f'part{task.value}').helper(1)"), "import importlib\n"
    ),
    "a module that an own function imports": consuming(
        PLAIN.format(call="load('helpers').helper(1)"),
        "from importlib import import_module\ndef load(name):\n    return import_module(name)\n",
    ),
    "one of the loaded modules": consuming(
        PLAIN.format(call="sys.modules[task.__module__].FACTOR"),
    ),
    "a file that is run": consuming(PLAIN.format(call="runpy.run_path(str(task.value))"), "import runpy\n"),
    "a module imported by the builtin": consuming(PLAIN.format(call="__import__('part' + str(task.value))")),
    "an import of what has a name inside the function": consuming(
        "from importlib import import_module as load\n" + PLAIN.format(call="load(str(task.value))")
    ),
    "a list of modules": consuming(
        PLAIN.format(call="len(list(map(importlib.import_module, NAMES)))"), "import importlib\nNAMES = ['helpers']\n"
    ),
    "an import that is bound to a name": consuming(
        PLAIN.format(call="LOAD().helper(1)"),
        "import functools, importlib\nLOAD = functools.partial(importlib.import_module, 'helpers')\n",
    ),
    "an import in a table": consuming(
        PLAIN.format(call="TABLE['load']('helpers').helper(1)"),
        "import importlib\nTABLE = {'load': importlib.import_module}\n",
    ),
    "an import that is a default": consuming(
        PLAIN.format(call="go().helper(1)"),
        "import importlib\ndef go(load=importlib.import_module):\n    return load('helpers')\n",
    ),
    "a setting that imports": consuming(
        PLAIN.format(call="self.load('helpers').helper(1)"),
        "import importlib\nfrom typing import Any\ndef load(name):\n    return importlib.import_module(name)\n",
        "load: Any = load",
    ),
    "what a package offers": consuming(
        PLAIN.format(call="len(entry_points(group='shop'))"), "from importlib.metadata import entry_points\n"
    ),
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_a_module_that_nobody_can_foresee_is_refused_until_it_is_vouched_for(
    versions: Versions, folder: Path, text: str
) -> None:
    steps = versions.load(text, helpers=HELPERS)
    with pytest.raises(
        UnkeyableValue,
        match=r"'Work': (steps\.(Work\.consume_work|load)|importlib\.import_module) takes a module.*extra_cache_key",
    ):
        steps.Work(cache_dir=folder).get_cache_key(steps.Number(value=1))
    assert steps.Work(cache_dir=folder, cache_code=False).get_cache_key(steps.Number(value=1))
    vouched = type("Work", (steps.Work,), {"extra_cache_key": lambda self, task: "1", "__module__": "steps"})
    assert vouched(cache_dir=folder).get_cache_key(steps.Number(value=1))


FORESEEN: dict[str, str] = {
    "a module that is set up before any call": consuming(
        PLAIN.format(call="self.part.FACTOR"),
        "import importlib\n",
        "def __init__(self, **settings):\n        super().__init__(**settings)\n"
        "        self.part = importlib.import_module('help' + 'ers'.strip())\n",
    ),
    "whether a module is loaded": consuming(PLAIN.format(call="FIGURE + (str(task.value) in sys.modules)")),
}


@pytest.mark.parametrize("text", FORESEEN.values(), ids=FORESEEN)
def test_what_is_known_before_a_call_is_not_refused(versions: Versions, folder: Path, text: str) -> None:
    one, other = answers(versions, folder, text)
    assert one != other


TASKS: dict[str, str] = {
    "a method of what a field holds": """
        from pydantic import BaseModel
        class Shape(BaseModel):
            pass
        class Circle(Shape):
            def area(self):
                return FIGURE
        class Result(Task):
            shape: Shape | None = None
            score: int = 0
        class Work(CachedTaskWorker):
            output_types = [Result]
            def consume_work(self, task: Result) -> None:
                self.publish_work(Result(score=task.shape.area()))
        def make():
            return Result(shape=Circle())
        """,
    "a method of a private attribute's value": """
        class Part:
            def area(self):
                return FIGURE
        class Result(Task):
            score: int = 0
            _part: Part | None = None
        class Work(CachedTaskWorker):
            output_types = [Result]
            def consume_work(self, task: Result) -> None:
                self.publish_work(Result(score=task._part.area()))
        def make():
            task = Result()
            task._part = Part()
            return task
        """,
}


@pytest.mark.parametrize("text", TASKS.values(), ids=TASKS)
def test_an_edit_of_the_class_of_what_a_task_holds_is_computed_again(
    versions: Versions, folder: Path, text: str
) -> None:
    scores = []
    for figure in (1, 2):
        steps = versions.load(text.replace("FIGURE", str(figure)))
        result = run(steps.Work(cache_dir=folder), steps.make())
        assert result.failures == [], result.failures[0].traceback
        scores += [getattr(output, "score", 0) for output in result.outputs]
    assert scores == [1, 2]


IN_A_PROCESS: dict[str, str] = {
    "a subclass that is made later": """
        class Step:
            pass
        def change():
            Work.kept = type("Real", (Step,), {})
        class Work(CachedTaskWorker):
            output_types = [Number]
            def consume_work(self, task: Number) -> None:
                self.publish_work(Number(value=1 + len(Step.__subclasses__())))
        """,
    "a global that is made later": """
        def change():
            globals()["FACTOR"] = 2
        class Work(CachedTaskWorker):
            output_types = [Number]
            def consume_work(self, task: Number) -> None:
                self.publish_work(Number(value=globals().get("FACTOR", 1)))
        """,
    "a variable of the enclosing function": """
        def make():
            factor = 1
            def change():
                nonlocal factor
                factor = 2
            class Work(CachedTaskWorker):
                output_types = [Number]
                def consume_work(self, task: Number) -> None:
                    self.publish_work(Number(value=factor))
            return Work, change
        Work, change = make()
        """,
    "the defaults of a function": """
        def scored(value, factor=1):
            return value * factor
        def change():
            scored.__defaults__ = (2,)
        class Work(CachedTaskWorker):
            output_types = [Number]
            def consume_work(self, task: Number) -> None:
                self.publish_work(Number(value=scored(task.value)))
        """,
    "the code of a function, as a reloader replaces it": """
        def scored(value):
            return value
        def change():
            scored.__code__ = (lambda value: value * 2).__code__
        class Work(CachedTaskWorker):
            output_types = [Number]
            def consume_work(self, task: Number) -> None:
                self.publish_work(Number(value=scored(task.value)))
        """,
}


@pytest.mark.parametrize("text", IN_A_PROCESS.values(), ids=IN_A_PROCESS)
def test_code_that_is_changed_in_a_running_process_is_computed_again(
    versions: Versions, folder: Path, text: str
) -> None:
    steps = versions.load(text)
    worker = steps.Work(cache_dir=folder)
    first = run(worker, steps.Number(value=1))
    steps.change()
    second = run(worker, steps.Number(value=1))
    assert [repr(result.outputs) for result in (first, second)] == ["[Number(value=1)]", "[Number(value=2)]"]
