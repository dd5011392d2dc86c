"""Found while looking for wrong answers: what surrounds code, such as the environment, and what is patched."""

from __future__ import annotations

import builtins
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cache.pitfalls.kit import Versions, figures, run
from cache.pitfalls.test_found_code import PLAIN, consuming
from planai import RunResult


def only(result: RunResult) -> Any:
    """Return the only output, of a class that the test has written."""
    (output,) = result.outputs
    return output


LABEL = "self.publish_work(Result(label={call}))"

EXPANDED = "from os.path import expandvars as expand\nPATH = '/$REGION'\n"
SETTINGS = """
import pydantic
class BaseSettings(pydantic.BaseModel):  # as that of pydantic-settings, which the tests do not need
    def __init__(self, **given):
        known = {name.lower(): value for name, value in dict(os.environ).items()}
        prefix = self.model_config.get("env_prefix", "")
        for name, field in type(self).model_fields.items():
            variable = (field.validation_alias or prefix + name).lower()
            if variable in known:
                given[field.validation_alias or name] = known[variable]
        super().__init__(**given)
class Known(BaseSettings):
    region: str = ""
"""
PREFIXED = SETTINGS.replace("    region", "    model_config = {'env_prefix': 're'}\n    gion")
RENAMED = SETTINGS.replace("region: str = ''", "").replace(
    'region: str = ""', "where: str = pydantic.Field('', validation_alias='REGION')"
)

ENVIRONMENT: dict[str, str] = {
    "by item": consuming(LABEL.format(call="os.environ['REGION']")),
    "by get": consuming(LABEL.format(call="os.environ.get('REGION', '')")),
    "by getenv": consuming(LABEL.format(call="os.getenv('REGION')")),
    "by a name from os": consuming(LABEL.format(call="environ['REGION']"), "from os import environ\n"),
    "by another name": consuming(LABEL.format(call="known['REGION']"), "from os import environ as known\n"),
    "by a function from os": consuming(LABEL.format(call="asked('REGION')"), "from os import getenv as asked\n"),
    "imported in the function": consuming("from os import environ as known\n" + LABEL.format(call="known['REGION']")),
    "by a helper that is given the name": consuming(
        LABEL.format(call="asked('REGION')"), "def asked(name):\n    return os.environ[name]\n"
    ),
    "by a bound method": consuming(LABEL.format(call="asked('REGION')"), "asked = os.environ.get\n"),
    "by a constant": consuming(LABEL.format(call="os.environ[NAME]"), "NAME = 'REGION'\n"),
    "by a class variable": consuming(
        LABEL.format(call="os.environ[Names.where]"), "class Names:\n    where = 'REGION'\n"
    ),
    "by a default": consuming(LABEL.format(call="asked()"), "def asked(name='REGION'):\n    return os.environ[name]\n"),
    "handed on": consuming(LABEL.format(call="asked(os.environ)"), "def asked(known):\n    return known['REGION']\n"),
    "as bytes": consuming(LABEL.format(call="os.fsdecode(os.environb[b'REGION'])")),
    "as bytes by getenvb": consuming(LABEL.format(call="os.fsdecode(os.getenvb(b'REGION'))")),
    "as bytes by another name": consuming(
        LABEL.format(call="os.fsdecode(known[b'REGION'])"), "from os import environb as known\n"
    ),
    "within a path": consuming(LABEL.format(call="os.path.expandvars('$REGION')")),
    "within a path in braces": consuming(LABEL.format(call="os.path.expandvars('/${REGION}')[1:]")),
    "within a constant path": consuming(LABEL.format(call="expand(PATH)[1:]"), EXPANDED),
    "in a place of a text": consuming(LABEL.format(call="'{REGION}'.format(**os.environ)")),
    "of a class of settings": consuming(LABEL.format(call="Known().region"), SETTINGS),
    "of a class of settings by its prefix": consuming(LABEL.format(call="Known().gion"), PREFIXED),
    "of a class of settings by another name": consuming(LABEL.format(call="Known().where"), RENAMED),
    "several": consuming(LABEL.format(call="''.join(os.environ.get(name, '') for name in ('OTHER', 'REGION'))")),
}


@pytest.mark.parametrize("text", ENVIRONMENT.values(), ids=ENVIRONMENT)
def test_an_environment_variable_that_code_names_decides(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    steps = versions.load(text)
    worker, seen = steps.Work(cache_dir=folder), []
    for region in ("north", "south", "north"):
        monkeypatch.setenv("REGION", region)
        result = run(worker, steps.Number(value=1))
        seen.append((only(result).label, figures(result)))
        monkeypatch.setenv("UNRELATED", region)  # in all processes another
    assert seen == [("north", (0, 1)), ("south", (0, 1)), ("north", (1, 0))]


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "SHOP_PASSWORD"])
def test_a_credential_of_the_environment_decides_nothing(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    steps = versions.load(consuming(LABEL.format(call=f"'paid' if os.environ['{name}'] else ''")))
    worker, seen = steps.Work(cache_dir=folder), []
    for key in ("mine", "yours"):
        monkeypatch.setenv(name, key)
        seen.append(figures(run(worker, steps.Number(value=1))))
    assert seen == [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    "call", ["os.path.expanduser('~/x')", "str(pathlib.Path('~/x').expanduser())", "str(pathlib.Path.home())"]
)
def test_the_home_of_the_user_decides_where_code_asks_for_it(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    steps = versions.load(consuming(LABEL.format(call=call), "import pathlib\n"))
    worker, seen = steps.Work(cache_dir=folder), []
    for home in ("/home/a", "/home/b", "/home/a"):
        monkeypatch.setenv("HOME", home)
        result = run(worker, steps.Number(value=1))
        seen.append((only(result).label[:7], figures(result)))
    assert seen == [("/home/a", (0, 1)), ("/home/b", (0, 1)), ("/home/a", (1, 0))]


def test_a_setting_of_the_environment_that_comes_later_decides(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGION", raising=False)
    steps = versions.load(ENVIRONMENT["of a class of settings"])
    worker = steps.Work(cache_dir=folder)
    run(worker, steps.Number(value=1))
    monkeypatch.setenv("REGION", "north")
    assert only(run(worker, steps.Number(value=1))).label == "north"


def test_a_variable_that_is_set_later_decides(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGION", raising=False)
    steps = versions.load(ENVIRONMENT["by get"])
    worker = steps.Work(cache_dir=folder)
    run(worker, steps.Number(value=1))
    monkeypatch.setenv("REGION", "north")
    assert only(run(worker, steps.Number(value=1))).label == "north"


def test_what_the_shell_says_of_each_command_does_not_decide(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = versions.load(consuming(LABEL.format(call="'_'.join(['a', os.environ.get('REGION', '')])")))
    worker, seen = steps.Work(cache_dir=folder), []
    for command in ("/bin/python", "/bin/pytest"):
        monkeypatch.setenv("_", command)
        seen.append(figures(run(worker, steps.Number(value=1))))
    assert seen == [(0, 1), (1, 0)]


def test_a_miss_names_the_variable_and_not_its_value(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = versions.load(consuming("os.environ['TENANT']\nself.publish_work(Result())"))
    worker = steps.Work(cache_dir=folder)
    monkeypatch.setenv("TENANT", "first secret")
    run(worker, steps.Number(value=1))
    monkeypatch.setenv("TENANT", "second secret")
    assert "code os.environ['TENANT']: " in str(worker.explain(steps.Number(value=1)))
    assert run(worker, steps.Number(value=1)).cache.reasons == {"code of os.environ['TENANT'] changed": 1}
    assert not [file for file in folder.rglob("*") if file.is_file() and b"secret" in file.read_bytes()]


def test_the_command_line_decides_where_code_reads_it(
    versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = versions.load(consuming(LABEL.format(call="sys.argv[1]"), "import sys\n"))
    worker, seen = steps.Work(cache_dir=folder), []
    for region in ("north", "south", "north"):
        monkeypatch.setattr(sys, "argv", ["shop.py", region])
        result = run(worker, steps.Number(value=1))
        seen.append((only(result).label, figures(result)))
    assert seen == [("north", (0, 1)), ("south", (0, 1)), ("north", (1, 0))]


# ---- what the user's own code has put in the place of what it did not write

PATCHED: dict[str, str] = {
    "a builtin": consuming(PLAIN.format(call="scored(task.value)")),
    "a function of Python": consuming(PLAIN.format(call="textwrap.scored(task.value)"), "import textwrap\n"),
    "one that is imported in the function": consuming(
        "from textwrap import scored\n" + PLAIN.format(call="scored(task.value)")
    ),
}


@pytest.mark.parametrize("text", PATCHED.values(), ids=PATCHED)
def test_what_is_patched_counts(versions: Versions, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    steps = versions.load(text)
    worker, scores = steps.Work(cache_dir=folder), []
    for scored in (lambda value: value, lambda value: value * 2):
        for place in (builtins, textwrap):
            monkeypatch.setattr(place, "scored", scored, raising=False)
        scores.append(only(run(worker, steps.Number(value=1))).score)
    assert scores == [1, 2]


# ---- in which order things are defined, where code can tell

ORDERS: dict[str, tuple[str, str]] = {
    "of a class by vars": ("class Steps:\n    {}", "vars(Steps)"),
    "of a class by its dict": ("class Steps:\n    {}", "Steps.__dict__"),
    "of a module by globals": ("{}", "globals()"),
    "of slots": ("class Steps:\n    __slots__ = ({})", "Steps.__slots__"),
}


@pytest.mark.parametrize(("defined", "asked"), ORDERS.values(), ids=ORDERS)
def test_the_order_of_definitions_counts_where_it_is_asked_for(
    versions: Versions, folder: Path, defined: str, asked: str
) -> None:
    labels = []
    for names in (("step_a", "step_b"), ("step_b", "step_a")):
        lines = (
            "".join(f"{name!r}, " for name in names)
            if "slots" in defined
            else "; ".join(f"{name} = 1" for name in names)
        )
        call = f"''.join(name for name in {asked} if name.startswith('step_'))"
        steps = versions.load(consuming(LABEL.format(call=call), defined.format(lines) + "\n"))
        labels.append(only(run(steps.Work(cache_dir=folder), steps.Number(value=1))).label)
    assert labels == ["step_astep_b", "step_bstep_a"]


def test_the_order_of_definitions_does_not_count_where_nobody_asks(versions: Versions, folder: Path) -> None:
    hits = []
    for lines in ("low = 1; high = 2", "high = 2; low = 1"):
        steps = versions.load(consuming(PLAIN.format(call="Steps.high"), f"class Steps:\n    {lines}\n"))
        hits.append(figures(run(steps.Work(cache_dir=folder), steps.Number(value=1))))
    assert hits == [(0, 1), (1, 0)]


# ---- objects that code uses

OBJECTS: dict[str, str] = {
    "a salted hash": consuming(
        LABEL.format(call="SALTED.copy().hexdigest()"), "import hashlib\nSALTED = hashlib.sha256(b'FIGURE')\n"
    ),
    "a salted hash of another family": consuming(
        LABEL.format(call="SALTED.copy().hexdigest()"), "import hashlib\nSALTED = hashlib.blake2b(b'FIGURE')\n"
    ),
    "a hash of any length": consuming(
        LABEL.format(call="SALTED.copy().hexdigest(8)"), "import hashlib\nSALTED = hashlib.shake_128(b'FIGURE')\n"
    ),
    "a keyed hash": consuming(
        LABEL.format(call="KEYED.copy().hexdigest()"), "import hmac\nKEYED = hmac.new(b'FIGURE', digestmod='sha256')\n"
    ),
    "a function that numpy applies to arrays": consuming(
        PLAIN.format(call="int(SCALED(2))"),
        "import numpy\ndef scaled(value):\n    return value * FIGURE\nSCALED = numpy.frompyfunc(scaled, 1, 1)\n",
    ),
    "how many arrays such a function takes": consuming(
        PLAIN.format(call="TOTAL.nin"),
        "import numpy\ndef total(*values):\n    return sum(values)\nTOTAL = numpy.frompyfunc(total, FIGURE, 1)\n",
    ),
    "the cause of an error": consuming(
        LABEL.format(call="repr(ERROR.__cause__)"), "ERROR = ValueError()\nERROR.__cause__ = KeyError(FIGURE)\n"
    ),
    "what an error came from": consuming(
        LABEL.format(call="repr(ERROR.__context__)"), "ERROR = ValueError()\nERROR.__context__ = KeyError(FIGURE)\n"
    ),
    "a mapping that refuses to tell what it holds": consuming(
        PLAIN.format(call="POOL.size"),
        "from collections.abc import Mapping\n"
        "class Pool(Mapping):\n"
        "    def __init__(self, size): self.size = size\n"
        "    def __getitem__(self, key): raise KeyError(key)\n"
        "    def __len__(self): return 1\n"
        "    def __iter__(self): raise NotImplementedError\n"
        "POOL = Pool(FIGURE)\n",
    ),
    "the values of a dict": consuming(PLAIN.format(call="max(VALUES)"), "VALUES = {1: FIGURE}.values()\n"),
    "the keys of a dict": consuming(PLAIN.format(call="max(KEYS)"), "KEYS = {FIGURE: 1}.keys()\n"),
    "the items of a dict": consuming(PLAIN.format(call="max(ITEMS)[1]"), "ITEMS = {1: FIGURE}.items()\n"),
    "the default of a dataclass that is made by a call": consuming(
        PLAIN.format(call="Made().size"),
        "import dataclasses\nMade = dataclasses.make_dataclass('Made', [('size', int, FIGURE)])\n",
    ),
    "an attribute of a class that is made by a call": consuming(
        PLAIN.format(call="Made.size"),
        "import types\nMade = types.new_class('Made', (), {}, lambda body: body.update(size=FIGURE))\n",
    ),
    "what a dataclass keeps besides its fields": consuming(
        PLAIN.format(call="MADE.kept"),
        "import dataclasses\n@dataclasses.dataclass\nclass Made:\n    size: dataclasses.InitVar[int]\n"
        "    def __post_init__(self, size):\n        self.kept = size\n"
        "MADE = Made(FIGURE)\n",
    ),
    "what a dataclass fills when it is used": consuming(
        PLAIN.format(call="MADE.size()"),
        "import dataclasses\n@dataclasses.dataclass\nclass Made:\n    calls: int = 0\n"
        "    def __post_init__(self):\n        self.memo = {}\n"
        "    def size(self):\n        self.calls += 1\n        return self.memo.setdefault(0, FIGURE)\n"
        "MADE = Made()\n",
    ),
    "what a function takes that is validated": consuming(
        PLAIN.format(call="size('1')"),
        "from typing import Annotated\nfrom pydantic import AfterValidator, validate_call\n"
        "def scaled(value):\n    return value * FIGURE\n"
        "@validate_call\ndef size(value: Annotated[int, AfterValidator(scaled)]):\n    return value\n",
    ),
    "how a function is validated": consuming(
        LABEL.format(call="told('a')"),
        "from pydantic import validate_call\n"
        "@validate_call(config={'str_to_upper': FIGURE == 2})\ndef told(value: str):\n    return value\n",
    ),
    "a method that asks for the class of its object": consuming(
        PLAIN.format(call="CLIENT.size()"),
        "class Client:\n    step = FIGURE\n    def size(self):\n        return self.__class__.step\n"
        "CLIENT = Client()\n",
    ),
}


@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS)
def test_what_an_object_holds_counts(versions: Versions, folder: Path, text: str) -> None:
    seen = []
    for figure in ("1", "2", "1"):
        steps = versions.load(text.replace("FIGURE", figure))
        result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
        seen.append((repr(result.outputs), figures(result)))
    (one, *_), (other, *_), (again, *_) = seen
    assert one == again != other
    assert [found for _, found in seen] == [(0, 1), (0, 1), (1, 0)]


def test_what_is_beside_a_validated_function_does_not_count(versions: Versions, folder: Path) -> None:
    text = consuming(
        PLAIN.format(call="size('1')"),
        "from pydantic import validate_call\n@validate_call\ndef size(value: int):\n    return value\nOTHER = FIGURE\n",
    )
    hits = []
    for figure in ("1", "2"):
        steps = versions.load(text.replace("FIGURE", figure))
        hits.append(figures(run(steps.Work(cache_dir=folder), steps.Number(value=1))))
    assert hits == [(0, 1), (1, 0)]


# ---- objects of packages that are not in everybody's environment

FRAME = "import pandas\nTABLE = pandas.DataFrame({'a': [FIGURE, 5], 'b': ['x', None]})\n"
WRAPPED = """
import wrapt
@wrapt.decorator
def more(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs) * FIGURE
"""
KEPT = "import cachetools\n@cachetools.cached(cachetools.TTLCache(10, 10){key})\ndef size(value):\n    return value"

OF_PACKAGES: dict[str, tuple[str, str]] = {
    "what is written in C and says how it is copied": (
        "pandas",
        consuming(PLAIN.format(call="STEP.n"), "from pandas.tseries.offsets import Hour\nSTEP = Hour(FIGURE)\n"),
    ),
    "a table": ("pandas", consuming(PLAIN.format(call="TABLE['a'].sum()"), FRAME)),
    "a table that is used": (
        "pandas",
        consuming("TABLE.a; TABLE.describe(); TABLE.index.is_unique\n" + PLAIN.format(call="TABLE['a'].max()"), FRAME)
        .replace("5]", "FIGURE]")
        .replace("max()", "max() + len(TABLE.groupby('a').sum())"),
    ),
    "what groups a table": (
        "pandas",
        consuming(PLAIN.format(call="GROUPS.sum().sum()"), FRAME + "GROUPS = TABLE.groupby('b')['a']\n"),
    ),
    "the rows of a table": (
        "pandas",
        consuming(
            LABEL.format(call="str(ROWS)"), "import pandas\nROWS = pandas.period_range('2020-01', periods=FIGURE)\n"
        ),
    ),
    "the name of a series": (
        "pandas",
        consuming(LABEL.format(call="SERIES.name"), "import pandas\nSERIES = pandas.Series([1], name='FIGURE')\n"),
    ),
    "the categories of a series": (
        "pandas",
        consuming(
            PLAIN.format(call="len(SERIES.cat.categories)"),
            "import pandas\nSERIES = pandas.Series(pandas.Categorical(['a'], ['a', 'b', 'c'][:FIGURE]))\n",
        ),
    ),
    "a time to the nanosecond": (
        "pandas",
        consuming(PLAIN.format(call="TIME.nanosecond"), "import pandas\nTIME = pandas.Timestamp(FIGURE)\n"),
    ),
    "a decorator of wrapt": (
        "wrapt",
        consuming(PLAIN.format(call="size()"), WRAPPED + "@more\ndef size():\n    return 3\n"),
    ),
    "a decorator of wrapt on a function from elsewhere": (
        "wrapt",
        consuming(PLAIN.format(call="size(['x'])"), "import statistics\n" + WRAPPED + "size = more(len)\n"),
    ),
    "a function that keeps its answers": (
        "cachetools",
        consuming(PLAIN.format(call="size(3)"), KEPT.format(key="") + " * FIGURE\n"),
    ),
    "the keys of a function that keeps its answers": (
        "cachetools",
        consuming(
            PLAIN.format(call="size(2) + size(3)"), KEPT.format(key=", key=lambda value: value // FIGURE") + "\n"
        ),
    ),
    "answers that are kept for some time": (
        "cachetools",
        consuming(
            "KEPT.setdefault(task.value, FIGURE)\n" + PLAIN.format(call="KEPT[task.value]"),
            "import cachetools\nKEPT = cachetools.TTLCache(10, 1000)\n",
        ),
    ),
}


@pytest.mark.parametrize(("package", "text"), OF_PACKAGES.values(), ids=OF_PACKAGES)
def test_what_an_object_of_a_package_holds_counts(versions: Versions, folder: Path, package: str, text: str) -> None:
    pytest.importorskip(package)
    test_what_an_object_holds_counts(versions, folder, text)


PANDAS: dict[str, str] = {
    "a table": "(pandas.DataFrame({'a': [1, FIGURE]}))",
    "a series": "(pandas.Series([1, None, FIGURE], dtype='Int64'))",
    "an index of several levels": "(pandas.MultiIndex.from_tuples([('a', FIGURE)]))",
    "times": "(pandas.date_range('2020-01-0FIGURE', periods=2, tz='Asia/Tokyo'))",
    "a time": "(pandas.Timestamp(FIGURE))",
    "an interval": "(pandas.Interval(0, FIGURE))",
    "what is missing": "([pandas.NA, pandas.NaT, FIGURE])",
}


@pytest.mark.parametrize("held", PANDAS.values(), ids=PANDAS)
def test_what_a_task_holds_of_pandas_decides(versions: Versions, folder: Path, held: str) -> None:
    pytest.importorskip("pandas")
    text = consuming(
        LABEL.format(call="repr(task.held) + str(getattr(task.held, 'nanosecond', ''))"),
        "import pandas\nfrom typing import Any\nclass Number(Task):\n    held: Any\n",
    )
    steps, seen = versions.load(text), []
    for figure in ("1", "2", "1"):
        task = eval(f"steps.Number(held={held.replace('FIGURE', figure)})", {**vars(steps), "steps": steps})
        result = run(steps.Work(cache_dir=folder), task)
        seen.append((only(result).label, figures(result)))
    (one, _), (other, _), (again, _) = seen
    assert one == again != other
    assert [found for _, found in seen] == [(0, 1), (0, 1), (1, 0)]
