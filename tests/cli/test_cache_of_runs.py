"""``planai cache`` on what real runs have left: a worker whose answers another one works on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from planai import CachedTaskWorker, Graph, RunResult, Task
from planai.cache.opening import open_store
from planai.cli.app import main


class Page(Task):
    url: str
    tags: set[str] = {"a", "b"}
    password: SecretStr = SecretStr("hunter2")


class Text(Task):
    text: str


class Count(Task):
    words: int


class Fetch(CachedTaskWorker):
    output_types = [Text]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Text(text=f"text of {task.url}"))


class Words(CachedTaskWorker):
    output_types = [Count]
    minimum: int = 1

    def consume_work(self, task: Text) -> None:
        page = task.find_input_task(Page)
        assert page is not None
        self.publish_work(Count(words=len(task.text.split()) + len(page.url)))


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cli(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what runs a command on the folder."""

    def run_command(*args: str, folder: Path = folder) -> Done:
        monkeypatch.setattr(sys, "argv", ["planai", "cache", *args, "--dir", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "hunter2" not in said.out + said.err
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run_command


def run(folder: Path, *urls: str, fetching: dict[str, Any] | None = None, **settings: Any) -> RunResult:
    fetch, words = Fetch(cache_dir=folder, **(fetching or {})), Words(cache_dir=folder, **settings)
    graph = Graph(name="pages").add_workers(fetch, words)
    graph.set_dependency(fetch, words)
    graph.set_sink(words, Count)
    result = graph.run([(fetch, Page(url=url)) for url in urls], executor="inline", display_terminal=False)
    assert result.failures == []
    words.get_cache().close()  # which writes down what was used; the end of a process does, too
    return result


def figures(result: RunResult) -> dict[str, tuple[int, int]]:
    return {key: (row.hits, row.misses) for key, row in result.workers.items()}


def entry(cli: Cli, worker: str, **fields: str) -> dict[str, Any]:
    """Return the only entry of a worker with these fields."""
    options = [f"--field={name}={value}" for name, value in fields.items()]
    (found,) = cli("ls", f"--worker={worker}", *options, "--json").json
    return dict(found)


def test_ls_shows_each_answer_with_its_input_and_nothing_else(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    run(folder, "x")
    lines = [line.split(maxsplit=1)[1] for line in cli("ls").out.splitlines()]
    assert len(lines) == 5
    assert any(line.startswith("Fetch") and "Page url=\"x\" tags={'a', 'b'}" in line for line in lines)
    assert any(line.startswith("Words") and line.endswith('Text text="text of y"') for line in lines)
    listed = cli("ls", "--json", "--sort=hits").json
    assert [one["hits"] for one in listed] == [1, 1, 0, 0]
    assert {one["fields"].get("url") for one in listed[:2]} == {'"x"', None}


def test_show_tells_what_was_looked_up_and_where_the_input_comes_from(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    source = entry(cli, "Fetch", url='"y"')
    words = entry(cli, "Words", text='"text of y"')
    shown = cli("show", words["id"], "--json").json
    assert shown["sources"] == [{"id": source["id"], "worker": source["worker"], "key": source["key"]}]
    assert [read["what"].split(":")[0] for read in shown["reads"]] == [f"task.find_input_task({Page.__module__}"]
    assert shown["output"] == {"$": f"{Count.__module__}:Count", "words": 4}
    text = cli("show", words["key"]).out
    assert "task.find_input_task" in text
    assert '"words": 4' in text


def test_explain_names_the_setting_between_two_versions(folder: Path, cli: Cli) -> None:
    run(folder, "x")
    run(folder, "x", minimum=2)
    for one in cli("ls", "--worker=Words", "--json").json:
        explained = cli("explain", one["id"], "--json").json
        (difference,) = explained["nearest"]["differences"]
        assert (difference["part"], difference["name"]) == ("setting", "minimum")
        assert {difference["old"], difference["new"]} == {"1", "2"}
        lines = cli("explain", one["id"]).out.splitlines()
        assert "minimum" in lines[-1]
        assert [line for line in lines if len(line) > 100] == [], "it can be read without scrolling to the side"


def test_explain_names_the_field_between_two_inputs(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    explained = cli("explain", entry(cli, "Fetch", url='"x"')["id"], "--json").json
    assert explained["nearest"]["differences"] == [{"part": "field", "name": "url", "old": '"y"', "new": '"x"'}]


def test_stats_count_what_runs_did(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    result = run(folder, "x", "y")
    found = cli("stats", "--json").json
    rows = {row["worker"].rpartition(":")[2]: row for row in found["workers"]}
    assert {name: (row["entries"], row["hits"]) for name, row in rows.items()} == {"Fetch": (2, 2), "Words": (2, 2)}
    assert rows["Fetch"]["saved"]["seconds"] == pytest.approx(result.workers["Fetch"].saved.seconds)
    assert (rows["Fetch"]["profiles"], rows["Words"]["questions"]) == (1, 2)
    assert found["total"]["entries"] == 4


def test_verify_finds_what_runs_left_sound_and_what_was_damaged(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    assert cli("verify").code == 0
    store, one = open_store(folder), entry(cli, "Fetch", url='"x"')
    record = store.get(one["worker"], one["key"])
    assert record is not None
    store.put(one["worker"], one["key"], record._replace(payload=record.payload[:-1]))
    assert cli("verify").code == 1
    assert cli("verify", "--repair").code == 1
    assert cli("verify").code == 0
    assert figures(run(folder, "x", "y")) == {"Fetch": (1, 1), "Words": (2, 0)}


def test_what_is_removed_is_computed_again_and_what_came_of_it_too(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    run(folder, "x", "y", minimum=2)
    fetched = entry(cli, "Fetch", url='"x"')["id"]
    assert "would remove 3 entries" in cli("rm", fetched, "--downstream", "--dry-run").out
    assert len(cli("ls", "--json").json) == 6
    removed = cli("rm", fetched, "--downstream", "--yes", "--json").json
    assert (removed["entries"], removed["questions"]) == (3, 2)
    assert cli("verify").code == 0
    assert figures(run(folder, "x", "y")) == {"Fetch": (1, 1), "Words": (1, 1)}


def test_what_is_removed_without_what_came_of_it_leaves_that(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    assert cli("rm", entry(cli, "Fetch", url='"x"')["id"]).code == 0
    assert figures(run(folder, "x", "y")) == {"Fetch": (1, 1), "Words": (2, 0)}


def test_a_worker_can_be_removed_as_a_whole(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y")
    assert cli("rm", "--worker=Words", "--yes").code == 0
    assert figures(run(folder, "x", "y")) == {"Fetch": (2, 0), "Words": (0, 2)}


def test_prune_keeps_what_is_used_and_the_profiles_it_needs(folder: Path, cli: Cli) -> None:
    run(folder, "x", "y", "z")
    run(folder, "z")
    pruned = cli("prune", "--max-entries=2", "--json").json
    assert pruned["entries"] == 4
    assert figures(run(folder, "z")) == {"Fetch": (1, 0), "Words": (1, 0)}
    assert dict(run(folder, "z", minimum=5).cache.reasons) == {"setting minimum changed from 1 to 5": 1}


def test_prune_removes_what_has_expired(folder: Path, cli: Cli) -> None:
    run(folder, "x", fetching={"cache_ttl": 1e-6})
    assert cli("prune", "--expired", "--json").json["entries"] == 1
    assert [one["type"].rpartition(":")[2] for one in cli("ls", "--json").json] == ["Text"]


def test_what_was_exported_is_a_hit_elsewhere(folder: Path, cli: Cli, tmp_path: Path) -> None:
    outputs = run(folder, "x", "y").outputs
    file, other = tmp_path / "all.planai", tmp_path / "other"
    exported = cli("export", str(file), "--json").json
    assert (exported["entries"], exported["questions"], exported["profiles"]) == (4, 2, 2)
    imported = cli("import", str(file), "--json", folder=other).json
    assert (imported["added"], imported["replaced"], imported["older"]) == (4, 0, 0)
    result = run(other, "x", "y")
    assert (figures(result), result.outputs) == ({"Fetch": (2, 0), "Words": (2, 0)}, outputs)
    assert dict(run(other, "x", minimum=2).cache.reasons) == {"setting minimum changed from 1 to 2": 1}
    assert cli("import", str(file), "--json", folder=other).json["added"] == 0
    assert cli("rm", entry(cli, "Fetch", url='"x"')["id"], "--downstream", "--yes", folder=other).code == 0
    assert figures(run(other, "x", "y")) == {"Fetch": (1, 1), "Words": (1, 1)}


def test_one_worker_alone_can_be_exported(folder: Path, cli: Cli, tmp_path: Path) -> None:
    run(folder, "x", "y")
    file, other = tmp_path / "words.planai", tmp_path / "other"
    cli("export", str(file), "--worker=Words")
    cli("import", str(file), folder=other)
    assert figures(run(other, "x", "y")) == {"Fetch": (0, 2), "Words": (2, 0)}


@pytest.mark.parametrize("times", [{"cache_ttl": 1e300}, {"cache_ttl": 1, "stale_while_revalidate": math.inf}])
def test_times_beyond_all_calendars_are_shown_and_taken_along(
    folder: Path, cli: Cli, tmp_path: Path, times: dict[str, Any]
) -> None:
    run(folder, "x", fetching=times)
    one = entry(cli, "Fetch")
    assert cli("show", one["id"]).code == 0
    file, other = tmp_path / "all.planai", tmp_path / "other"
    assert cli("export", str(file)).code == 0
    assert cli("import", str(file), folder=other).code == 0
    assert figures(run(other, "x", fetching=times)) == {"Fetch": (1, 0), "Words": (1, 0)}
