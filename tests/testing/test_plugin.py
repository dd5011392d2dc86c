"""The plugin for pytest: sessions of their own, in which tests record answers, replay them, and miss them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from llm.openai_server import OpenAIServer, answer
from planai.testing.pruning import SessionFixtures

pytest_plugins = ["pytester"]

SHOP = """
from planai import CachedTaskWorker, Task
from planai.testing import run_inline

COMPUTED = []

def discount(value):
    return value * 0.9

class Item(Task):
    name: str
    amount: int = 1

class Quote(Task):
    total: float

class Rate(CachedTaskWorker):
    output_types = [Quote]
    def consume_work(self, task: Item) -> None:
        COMPUTED.append(task.name)
        self.publish_work(Quote(total=discount(task.amount)))

def quote(*names, **settings):
    result = run_inline(Rate(cache_dir="own_cache", **settings), *(Item(name=name) for name in names))
    for failure in result.failures:
        raise failure.error
    return [output.total for output in result.outputs]
"""
TESTS = """
import pytest
from shop import quote

@pytest.mark.planai_cache("fixtures/rates")
def test_tea():
    assert quote("tea") == [0.9]

@pytest.mark.planai_cache("fixtures/rates")
def test_rum():
    assert quote("rum", "tea") == [0.9, 0.9]
"""


class Session(NamedTuple):
    """A session of pytest that is over."""

    outcomes: dict[str, int]
    text: str
    computed: list[str]


class Project:
    """A folder with tests of a user."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path
        pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
        pytester.makeconftest("""
            import json, pathlib, sys
            def pytest_sessionfinish():
                shop = sys.modules.get("shop")
                pathlib.Path("computed.json").write_text(json.dumps(getattr(shop, "COMPUTED", [])))
        """)
        self.write("shop.py", SHOP)
        self.write("test_shop.py", TESTS)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text))

    def pytest(self, *args: str) -> Session:
        done = self._pytester.runpytest_inprocess("-v", *args)
        computed = json.loads((self.folder / "computed.json").read_text())
        return Session(done.parseoutcomes(), f"{done.stdout}\n{done.stderr}", computed)

    def pytest_in_a_process(self, *args: str) -> None:
        assert self._pytester.runpytest_subprocess(*args).ret == 0

    def files(self, folder: str = "fixtures/rates") -> set[str]:
        return {str(path.relative_to(self.folder / folder)) for path in (self.folder / folder).rglob("*.json")}

    def contents(self, folder: str = "fixtures/rates") -> dict[str, bytes]:
        return {name: (self.folder / folder / name).read_bytes() for name in sorted(self.files(folder))}

    def answers(self) -> set[str]:
        return {name for name in self.files() if not name.startswith("profiles")}

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("COLUMNS", "200")
    return Project(pytester)


def test_answers_are_recorded_once_and_then_replayed(project: Project) -> None:
    recorded = project.pytest("--planai-record")
    assert (recorded.outcomes, recorded.computed) == ({"passed": 2}, ["tea", "rum", "tea"])
    assert (len(project.answers()), len(project.files())) == (2, 3), "two answers, and the profile of their worker"
    replayed = project.pytest()
    assert (replayed.outcomes, replayed.computed) == ({"passed": 2}, [])


def test_what_was_not_recorded_fails_with_an_explanation_and_the_remedy(project: Project) -> None:
    session = project.pytest()
    assert (session.outcomes, session.computed) == ({"failed": 2}, [])
    assert "CacheMiss: the mode is 'replay', and 'shop:Rate' at the key" in session.text
    assert "is a miss: nothing is stored by this worker yet" in session.text
    assert "pytest --planai-record computes and writes them anew" in session.text
    assert project.files() == set()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_test_that_does_not_look_at_failures_fails_all_the_same(project: Project, is_async: bool) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        from shop import Item, Rate, run_inline

        @pytest.mark.planai_cache("fixtures/rates")
        def test_tea():
            run_inline(Rate(), Item(name="tea"))
        """,
    )
    project.edit("shop.py", "def consume_work", f"{'async ' * is_async}def consume_work")
    session = project.pytest()
    assert session.outcomes == {"failed": 1}
    assert "is a miss: nothing is stored by this worker yet" in session.text
    assert "pytest --planai-record computes and writes them anew" in session.text
    assert project.pytest("--planai-record").outcomes == {"passed": 1}
    assert project.pytest().outcomes == {"passed": 1}


def test_an_edit_of_code_is_named_until_it_is_recorded(project: Project) -> None:
    project.pytest("--planai-record")
    project.edit("shop.py", "value * 0.9", "value * 0.8")
    project.edit("test_shop.py", "0.9", "0.8")
    session = project.pytest()
    assert (session.outcomes, session.computed) == ({"failed": 2}, [])
    assert "is a miss: code of shop.discount changed" in session.text
    assert project.pytest("--planai-record").outcomes == {"passed": 2}
    assert project.pytest().outcomes == {"passed": 2}


def test_a_new_input_is_shown_beside_the_nearest_that_was_recorded(project: Project) -> None:
    project.pytest("--planai-record")
    project.edit("test_shop.py", '"rum", ', '"ale", ')
    session = project.pytest()
    assert session.outcomes == {"passed": 1, "failed": 1}
    assert 'field name: "' in session.text
    assert '-> "ale"' in session.text


def test_recording_again_changes_no_file(project: Project) -> None:
    project.pytest("--planai-record")
    first = project.contents()
    project.pytest("--planai-record")
    assert project.contents() == first


def test_a_worker_that_says_otherwise_replays_all_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAI_CACHE_MODE", "off")
    project.edit("test_shop.py", 'quote("tea"', 'quote("tea", cache_mode="refresh"')
    project.edit("test_shop.py", '"rum", "tea"', '"rum", "tea", cache_mode="off"')
    project.pytest("--planai-record")
    session = project.pytest()
    assert (session.outcomes, session.computed) == ({"passed": 2}, [])


def test_tests_that_are_not_marked_are_left_alone(project: Project) -> None:
    project.write("test_shop.py", "from shop import quote\ndef test_tea():\n    quote('tea')\n    quote('tea')\n")
    session = project.pytest("--planai-record", "--planai-prune")
    assert (session.outcomes, session.computed) == ({"passed": 1}, ["tea"])
    assert project.files("fixtures") == set()


def test_classes_modules_and_parameters_may_be_marked(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        from shop import quote

        pytestmark = pytest.mark.planai_cache("fixtures/rates")

        @pytest.mark.parametrize("name", ["tea", "rum", "ale"])
        def test_each(name):
            assert quote(name) == [0.9]

        @pytest.mark.planai_cache("fixtures/own")
        class TestOwn:
            def test_tea(self):
                assert quote("tea") == [0.9]
        """,
    )
    assert project.pytest("--planai-record").outcomes == {"passed": 4}
    assert (len(project.answers()), len(project.files("fixtures/own"))) == (3, 2)
    session = project.pytest()
    assert (session.outcomes, session.computed) == ({"passed": 4}, [])


WRONG = [
    "@pytest.mark.planai_cache",
    "@pytest.mark.planai_cache()",
    "@pytest.mark.planai_cache('a', 'b')",
    "@pytest.mark.planai_cache(5)",
    "@pytest.mark.planai_cache(folder='a')",
]


def test_a_marker_that_names_no_folder_is_refused(project: Project) -> None:
    tests = "\n".join(f"{mark}\ndef test_{number}():\n    pass\n" for number, mark in enumerate(WRONG))
    project.write("test_shop.py", f"import pytest\n{tests}")
    session = project.pytest()
    assert session.outcomes == {"errors": len(WRONG)}
    assert 'planai_cache needs a folder, as in @pytest.mark.planai_cache("fixtures/prices")' in session.text


LOOKING_UP = """
import pytest
from planai import CachedTaskWorker, Graph, Task, TaskWorker

class Page(Task):
    url: str

class Text(Task):
    text: str

class Split(TaskWorker):
    output_types = [Text]
    def consume_work(self, task: Page) -> None:
        self.publish_work(Text(text="the same"))

class Label(CachedTaskWorker):
    output_types = [Text]
    def consume_work(self, task: Text) -> None:
        self.publish_work(Text(text=task.find_input_task(Page).url + "!"))

@pytest.mark.planai_cache("fixtures/rates")
def test_labels():
    split, label = Split(), Label()
    graph = Graph(name="labels").add_workers(split, label)
    graph.set_dependency(split, label)
    graph.set_sink(label, Text)
    result = graph.run([(split, Page(url=url)) for url in ("a", "b", "c")], executor="inline")
    assert [output.text for output in result.outputs] == ["a!", "b!", "c!"]
"""


def test_answers_that_depend_on_what_was_looked_up_keep_their_files(project: Project) -> None:
    project.write("test_shop.py", LOOKING_UP)
    assert project.pytest("--planai-record").outcomes == {"passed": 1}
    before = project.contents()
    shown = sorted(re.sub("-[0-9a-f]{8}", "-8", name.partition("/")[2]) for name in before)
    assert shown == [
        "Text-profile-8.json",
        "Text-the-same-8-2.json",
        "Text-the-same-8-3.json",
        "Text-the-same-8.json",
        "reads-find_input_task-test_shop-8.json",
    ]
    project.edit("test_shop.py", """.url + "!")""", """.url + str("!"))""")
    session = project.pytest()
    assert session.outcomes == {"failed": 1}
    assert "is a miss: code of test_shop.Label.consume_work changed\n" in session.text, "nothing that is not known yet"
    assert project.pytest("--planai-record").outcomes == {"passed": 1}
    assert project.contents().keys() == before.keys()
    for name, content in project.contents().items():
        if name.startswith("test_shop-Label"):
            assert json.loads(content)["answer"] == json.loads(before[name])["answer"], "each in its own file"
    assert project.pytest("--planai-prune").outcomes == {"passed": 1}
    assert project.contents().keys() == before.keys()


# ---- removing what is not used


def test_pruning_removes_what_no_test_uses_and_nothing_else(project: Project) -> None:
    project.pytest("--planai-record")
    project.edit("test_shop.py", '"rum", ', "")
    project.edit("test_shop.py", "[0.9, 0.9]", "[0.9]")
    before = project.files()
    assert project.pytest().outcomes == {"passed": 2}
    assert project.files() == before, "only where it is asked for"
    session = project.pytest("--planai-prune")
    assert "planai: removed 1 fixtures that no test used" in session.text
    assert (len(before - project.files()), len(project.answers())) == (1, 1)
    assert len(project.files()) == 2, "the profile stays, by which a miss is explained"
    assert project.pytest("--planai-prune").outcomes == {"passed": 2}
    assert len(project.files()) == 2


def test_recording_after_an_edit_of_code_rewrites_the_same_files(project: Project) -> None:
    project.pytest("--planai-record")
    before = project.contents()
    assert {re.sub("[0-9a-f]{8}", "8", name) for name in before} == {
        "profiles-of-shop-Rate/Item-profile-8.json",
        "shop-Rate/Item-rum-8.json",
        "shop-Rate/Item-tea-8.json",
    }
    project.edit("shop.py", "value * 0.9", "0.9")
    assert project.pytest("--planai-record").outcomes == {"passed": 2}
    after = project.contents()
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] == before[name]] == []
    session = project.pytest("--planai-prune")
    assert "planai: removed" not in session.text
    assert (session.outcomes, session.computed, project.contents()) == ({"passed": 2}, [], after)


def test_recording_some_tests_after_an_edit_takes_nothing_from_the_others(project: Project) -> None:
    project.write("shop.py", SHOP.replace("output_types", "factor: float = 1.0\n    output_types"))
    project.write("test_shop.py", TESTS.replace('quote("rum", "tea")', 'quote("rum", "tea", factor=2.0)'))
    project.pytest("--planai-record")
    before = project.contents()
    assert len(before) == 5, "three answers, and two profiles"
    project.edit("shop.py", "value * 0.9", "0.9")
    project.pytest("--planai-record", "-k", "test_tea")
    after = project.contents()
    assert after.keys() == before.keys()
    assert len([name for name in after if after[name] == before[name]]) == 3, "those of the test that was left out"
    assert project.pytest("-k", "test_tea").outcomes == {"passed": 1, "deselected": 1}
    project.edit("shop.py", "return 0.9", "return value * 0.9")
    assert project.pytest("-k", "test_rum").outcomes == {"passed": 1, "deselected": 1}


KEEPING = {
    "by name": ["-k", "tea"],
    "by place": ["test_shop.py::test_tea"],
    "by file": ["test_shop.py"],
}


@pytest.mark.parametrize("args", KEEPING.values(), ids=KEEPING)
def test_a_session_of_some_tests_prunes_nothing(project: Project, args: list[str]) -> None:
    project.pytest("--planai-record")
    before = project.files()
    session = project.pytest("--planai-prune", *args)
    assert project.files() == before
    assert "planai: removed nothing from" in session.text


@pytest.mark.parametrize("args", [[], ["-k", "not rum"]], ids=["all tests", "some tests"])
def test_processes_that_share_the_tests_prune_together_what_none_of_them_uses(
    project: Project, args: list[str]
) -> None:
    pytest.importorskip("xdist")
    project.write("test_more.py", TESTS.replace("tea", "milk").replace("rum", "rice"))
    project.pytest_in_a_process("--planai-record", "-n", "2")
    needed = project.contents()
    assert len(project.answers()) == 4
    stale = project.folder / "fixtures/rates/shop-Rate/Item-stale.json"
    stale.write_text(json.dumps({"space": "shop:Rate", "key": "stale"}))
    project.pytest_in_a_process("--planai-prune", "-n", "2", *args)
    assert stale.exists() == bool(args)
    stale.unlink(missing_ok=True)
    assert project.contents() == needed


def test_what_a_process_used_that_does_not_say_so_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "fixtures"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "one.json").write_text(json.dumps({"space": "shop", "key": "one"}))
    known = SessionFixtures()
    known.take_over({"used": {str(folder): []}, "waiting": {}, "unfinished": []})
    known.take_over(None)
    known.prune(is_whole=True)
    assert (known.removed, known.kept) == (0, {folder})


@pytest.mark.parametrize("end", ["assert False", "pytest.skip('not today')", "pytest.exit('enough')"])
def test_a_test_that_does_not_pass_prunes_nothing(project: Project, end: str) -> None:
    project.pytest("--planai-record")
    before = project.files()
    project.edit("test_shop.py", '    assert quote("rum"', f'    {end}\n    assert quote("rum"')
    session = project.pytest("--planai-prune")
    assert project.files() == before
    assert "planai: removed" not in session.text.replace("planai: removed nothing", "")


# ---- models


def test_the_answer_of_a_model_is_replayed_without_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(
        "test_shop.py",
        """
        import os
        import pytest
        from planai import CachedLLMTaskWorker, Task, llm_from_config
        from planai.testing import run_inline

        class Document(Task):
            text: str

        class Analysis(Task):
            insight: str

        class Analyze(CachedLLMTaskWorker):
            prompt = "Analyze it."
            llm_input_type = Document
            output_types = [Analysis]

        @pytest.mark.planai_cache("fixtures/rates")
        def test_analysis():
            llm = llm_from_config("local", "m", base_url=os.environ["SERVER"], max_retries=0)
            result = run_inline(Analyze(llm=llm), Document(text="a"))
            assert not result.failures, result.failures[0]
            assert result.outputs == [Analysis(insight="it is short")]
        """,
    )
    with OpenAIServer() as server:
        server.fallback = lambda _: answer(insight="it is short")
        monkeypatch.setenv("SERVER", server.url)
        project.pytest_in_a_process("--planai-record")  # here the client of the model can be imported only once
        assert len(server.seen) == 1
        assert project.pytest().outcomes == {"passed": 1}
        names = project.files()
        project.edit("test_shop.py", "Analyze it.", "Analyze it well.")
        session = project.pytest()
        assert session.outcomes == {"failed": 1}
        assert "asks 'm' what is not recorded" in session.text
        assert "-Analyze it." in session.text
        assert "+Analyze it well." in session.text
        project.pytest_in_a_process("--planai-record")
        assert len(server.seen) == 2
    assert project.pytest("--planai-prune").outcomes == {"passed": 1}
    assert len(project.files()) == len(names) == len({"profile", "answer", "response"})
    publishes = "    def post_process(self, response, input_task):\n        self.publish_work(response, input_task)"
    project.edit("test_shop.py", "output_types = [Analysis]", f"output_types = [Analysis]\n{publishes}")
    assert project.pytest().outcomes == {"passed": 1}


def test_pruning_leaves_what_a_model_said_after_tools(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        from planai import CachedLLMTaskWorker, Task, tool
        from planai.llm.client import Answer, ToolCall
        from planai.testing import ScriptedLLM, run_inline

        class Document(Task):
            text: str

        class Analysis(Task):
            insight: str

        @tool
        def count(word: str) -> int:
            return len(word)

        class Analyze(CachedLLMTaskWorker):
            prompt = "Analyze it."
            llm_input_type = Document
            output_types = [Analysis]
            tools = [count]

        @pytest.mark.planai_cache("fixtures/rates")
        def test_analysis():
            calls = Answer("", "tool_call", calls=(ToolCall("c1", "count", '{"word": "a"}'),))
            llm = ScriptedLLM([calls, Analysis(insight="it is short")])
            assert run_inline(Analyze(llm=llm), Document(text="a")).outputs == [Analysis(insight="it is short")]
        """,
    )
    assert project.pytest("--planai-record").outcomes == {"passed": 1}
    names = project.files()
    assert len(names) == len({"profile", "answer", "response", "response after tools"})
    assert project.pytest("--planai-prune").outcomes == {"passed": 1}
    assert project.files() == names
