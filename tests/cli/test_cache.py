"""``planai cache``, run as a person runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cache.samples import CODEC, COUNT, DAY, NOW, PRICE, about, digest_of, profile, put_profile
from cache.samples import put as put_sample
from planai import CachedTaskWorker, Task
from planai.bills import Usage
from planai.cache.about import QUARANTINE
from planai.cache.store import Record
from planai.cache.stores.disk import DiskStore
from planai.cli.app import main
from planai.cost import Cost
from planai.testing import run_inline

COMMAND = [sys.executable, "-c", "from planai.cli.app import main; main()", "cache"]
MANY = 100_000

ENTRY = [
    "key",
    "id",
    "worker",
    "type",
    "fields",
    "outputs",
    "size",
    "stored_at",
    "used_at",
    "expires_at",
    "expired",
    "hits",
    "cost",
]


class Word(Task):
    text: str


class Shout(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Word) -> None:
        self.publish_work(Word(text=task.text.upper()))


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command on the folder, in this process."""
    monkeypatch.setenv("PLANAI_CACHE_DIR", str(folder))

    def run_command(*args: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["planai", "cache", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run_command


@pytest.fixture
def store(folder: Path) -> Iterator[DiskStore]:
    made = DiskStore(folder)
    yield made
    made.close()


def put(store: DiskStore, name: str, *, age: float = 0.0, **options: Any) -> str:
    """Keep an entry that is `age` seconds old by the clock."""  # the samples count from another time
    return put_sample(store, name, age=NOW - time.time() + age, **options)


def process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True, timeout=120, check=False, **options)


# ---- ls


def test_entries_are_listed_the_newest_first(store: DiskStore, run: Run) -> None:
    put(store, "a", age=3 * DAY)
    put(store, "b", age=3600.0, worker=PRICE)
    done = run("ls")
    assert (done.code, done.err) == (0, "")
    assert [" ".join(line.split()) for line in done.out.splitlines()] == [
        "ID WORKER AGE SIZE COST HITS INPUT",
        f"{digest_of('b')[:16]} Price 1 h 20 B 2 s, 10 tokens, $0.50 0 Shelf name=b rows=2",
        f"{digest_of('a')[:16]} Count 3 d 20 B 2 s, 10 tokens, $0.50 0 Shelf name=a rows=2",
    ]


def test_ls_as_json(store: DiskStore, run: Run) -> None:
    key = put(store, "a", expires_at=1.0)
    (entry,) = run("ls", "--json").json
    assert list(entry) == ENTRY
    assert entry["key"] == key
    assert entry["expired"] is True
    assert entry["fields"] == {"name": "a", "rows": "2"}
    assert entry["cost"] == {"seconds": 2.0, "tokens": 10, "dollars": 0.5, "unpriced": 0}


def listed(done: Done) -> list[str]:
    return [entry["fields"]["name"] for entry in done.json]


OPTIONS = {
    "--worker=Price": ["big"],
    "--type=Shelf": ["new", "big", "old"],
    "--older-than=1d": ["old"],
    "--younger-than=36h": ["new", "big"],
    "--larger-than=1kB": ["big"],
    "--text=OLD": ["old"],
    "--field=name=new": ["new"],
    "--sort=size": ["big", "old", "new"],
    "--sort=cost": ["old", "big", "new"],
    "--limit=1": ["new"],
    "--limit=0": ["new", "big", "old"],
}


@pytest.mark.parametrize(("option", "expected"), OPTIONS.items(), ids=OPTIONS)
def test_options_of_ls(store: DiskStore, run: Run, option: str, expected: list[str]) -> None:
    put(store, "old", age=2 * DAY, cost=Cost(9.0))
    put(store, "new", cost=Cost(1.0))
    put(store, "big", value=bytes(5000), worker=PRICE, age=60.0, cost=Cost(2.0))
    assert listed(run("ls", option, "--json")) == expected


def test_hits_are_counted_and_sorted_by(store: DiskStore, run: Run) -> None:
    put(store, "a", age=9.0)
    put(store, "b")
    store.get(COUNT, digest_of("a"))
    store.close()
    assert [entry["hits"] for entry in run("ls", "--sort", "hits", "--json").json] == [1, 0]


def test_nothing_found_is_told_and_is_exit_code_1(store: DiskStore, run: Run) -> None:
    put(store, "a")
    assert run("ls", "--worker", "Nobody") == Done(1, "", "planai: no entry is there, or none that is wanted\n")
    assert run("ls", "--worker", "Nobody", "--json") == Done(1, "[]\n", "")


def test_what_would_control_a_terminal_is_shown_as_text(store: DiskStore, run: Run) -> None:
    put(store, "a", fields={"name": "\x1b[31m[bold]red\nline"})
    assert r"name=\x1b[31m[bold]red\nline" in run("ls").out
    assert r"\x1b[31m[bold]red\nline" in run("show", digest_of("a")).out


# ---- the folder


COMMANDS = [
    ("ls",),
    ("show", "a"),
    ("explain", "a"),
    ("stats",),
    ("verify", "--repair"),
    ("prune", "--expired"),
    ("rm", "a"),
    ("export", "file"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_looking_for_a_cache_makes_none(folder: Path, run: Run, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert (done.code, done.out) == (1, "")
    assert (
        done.err
        == f"planai: there is no cache in {str(folder)!r}: name its folder with --dir, or in PLANAI_CACHE_DIR\n"
    )
    assert not folder.exists()


def test_the_option_comes_before_the_variable(store: DiskStore, run: Run, tmp_path: Path) -> None:
    put(store, "a")
    assert run("ls", "--dir", str(tmp_path)).code == 1


def test_a_file_that_is_no_database_is_told(folder: Path, run: Run) -> None:
    folder.mkdir()
    (folder / "planai.sqlite3").write_text("this is no database " * 100)
    done = run("ls")
    assert (done.code, done.out) == (1, "")
    assert "cannot be used: file is not a database" in done.err


# ---- show and explain


def test_show_tells_where_an_answer_comes_from_and_what_it_is(store: DiskStore, run: Run) -> None:
    put(store, "a")
    put(store, "b", sources=["a", "gone"], reads=[("Shelf", "d1")])
    done = run("show", digest_of("b")[:9], "--json")
    assert list(done.json) == [*ENTRY, "usage", "profile", "parts", "reads", "sources", "output"]
    assert done.json["output"] == {"counted": "b"}
    assert done.json["reads"] == [{"what": "Shelf", "digest": "d1"}]
    assert done.json["sources"] == [
        {"id": digest_of("a")[:16], "worker": COUNT, "key": digest_of("a")},
        {"id": digest_of("gone")[:16], "worker": None, "key": None},
    ]
    text = run("show", digest_of("b")[:9]).out
    for part in (digest_of("b"), "shop.stock:Shelf", '    "counted": "b"', "(not there any more)", "never"):
        assert part in text


def test_show_tells_of_damage_and_still_of_the_rest(store: DiskStore, run: Run) -> None:
    store.put(COUNT, "k", Record(b"j", time.time(), about=about("a").dump()))
    done = run("show", "k", "--json")
    assert (done.code, done.json["output"]) == (1, None)
    assert "fewer than its head alone; `planai cache verify --repair`" in done.err


def test_a_key_that_nobody_has_is_told(store: DiskStore, run: Run) -> None:
    put(store, "a")
    for command in ("show", "explain", "rm"):
        done = run(command, "nobody")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("planai: no entry has a key or an id that begins with 'nobody'")


def test_explain_tells_what_differs_from_the_nearest(store: DiskStore, run: Run) -> None:
    old, new = profile(), profile(parts=profile().parts | {"settings": "s2"}, settings={"threshold": "0.7"})
    put(store, "a", profile=put_profile(store, new))
    store.put(
        COUNT,
        "earlier",
        Record(CODEC.encode(1), time.time(), about=about("a", id="e" * 16, profile=put_profile(store, old)).dump()),
    )
    put(store, "b", profile=put_profile(store, new))
    put(store, "a", worker=PRICE)
    done = run("explain", digest_of("b"), "--json").json
    assert list(done) == ["entry", "parts", "profile", "nearest"]
    assert done["nearest"]["differences"] == [{"part": "field", "name": "name", "old": "a", "new": "b"}]
    store.delete(PRICE)
    done = run("explain", digest_of("a"), "--json").json
    assert done["nearest"]["entry"]["key"] == "earlier"
    assert done["nearest"]["differences"] == [{"part": "setting", "name": "threshold", "old": "0.5", "new": "0.7"}]
    assert done["profile"]["code"]["shop.stock:LIMIT"] == "3"
    lines = run("explain", digest_of("a")).out.splitlines()
    assert lines[-2:] == ["WHAT     NAME       THERE  HERE", "setting  threshold  0.5    0.7"]


def test_explain_of_the_only_entry(store: DiskStore, run: Run) -> None:
    put(store, "a")
    assert run("explain", digest_of("a"), "--json").json["nearest"] is None
    assert "There is no other entry of this worker" in run("explain", digest_of("a")).out


# ---- prices that nobody knows


def put_unpriced(store: DiskStore, name: str, dollars: float) -> None:
    usage = {"answers": "3", "input_tokens": "6", "output_tokens": "4", "unpriced": "2"}
    put(store, name, cost=Cost(2.0, 10, dollars), usage=usage)


@pytest.mark.parametrize(
    ("dollars", "text", "as_json"),
    [
        (0.0, "2 s, 10 tokens, 2 answers of unknown price", None),
        (0.5, "2 s, 10 tokens, at least $0.50, 2 answers of unknown price", 0.5),
    ],
)
def test_an_unknown_price_is_not_shown_as_none(
    store: DiskStore, run: Run, dollars: float, text: str, as_json: float | None
) -> None:
    put_unpriced(store, "a", dollars)
    cost = {"seconds": 2.0, "tokens": 10, "dollars": as_json, "unpriced": 2}
    prune = ("prune", "--max-entries", "0", "--dry-run")
    for command in (("ls",), ("show", digest_of("a")), ("stats",), prune):
        assert text in run(*command).out, command
    assert run("ls", "--json").json[0]["cost"] == cost
    assert run("show", digest_of("a"), "--json").json["cost"] == cost
    assert run("stats", "--json").json["total"]["cost"] == cost
    assert run(*prune, "--json").json["cost"] == cost


def test_an_exported_answer_of_unknown_price_stays_one(store: DiskStore, run: Run, tmp_path: Path) -> None:
    put_unpriced(store, "a", 0.0)
    file, other = str(tmp_path / "file"), str(tmp_path / "other")
    run("export", file)
    run("import", file, "--dir", other)
    assert "2 answers of unknown price" in run("ls", "--dir", other).out


# ---- stats and verify


def test_stats(store: DiskStore, run: Run) -> None:
    put(store, "a")
    put(store, "b", worker=PRICE)
    store.put(QUARANTINE, f"{COUNT}\nk", Record(b"", 1.0))
    done = run("stats", "--json").json
    assert {row["worker"]: (row["entries"], row["quarantined"]) for row in done["workers"]} == {
        COUNT: (1, 1),
        PRICE: (1, 0),
    }
    assert (done["total"]["entries"], done["total"]["cost"]["seconds"]) == (2, 4.0)
    assert run("stats").out.splitlines()[-1].split()[:2] == ["all", "2"]


def test_stats_tell_tokens_of_each_kind_and_the_date_of_the_prices(store: DiskStore, run: Run) -> None:
    put(store, "b", worker=PRICE)
    took = Usage(2, 1700, 300, 100, Decimal("0.125"), priced="2026-01-31")
    key = put(store, "a", cost=Cost(2.0, 2000, 0.125), usage=took.as_texts())
    for _ in range(2):
        store.get(COUNT, key)
    store.close()
    done = run("stats", "--json").json
    usage = {"answers": 2, "input_tokens": 1700, "output_tokens": 300, "cached_tokens": 100, "dollars": "0.125"}
    usage |= {"unpriced": 0, "priced": "2026-01-31"}
    assert done["total"]["usage"] == usage
    assert (done["total"]["saved_usage"]["dollars"], done["total"]["saved_usage"]["output_tokens"]) == ("0.250", 600)
    assert next(row for row in done["workers"] if row["worker"] == PRICE)["usage"]["answers"] == 0
    row = ["all", "2", "1,700", "100", "300", "$0.12", "$0.25", "2026-01-31"]
    assert run("stats").out.splitlines()[-1].split() == row
    assert run("show", key, "--json").json["usage"] == usage
    shown = "models    2 answers, 1700 (100 cached) + 300 tokens, $0.12, by prices of 2026-01-31"
    assert shown in run("show", key).out.splitlines()


def test_verify_finds_damage_and_repairs_it(store: DiskStore, run: Run) -> None:
    put(store, "a")
    assert run("verify") == Done(0, "no damage found\n", "")
    store.put(COUNT, "k", Record(b"j", 1.0))
    done = run("verify", "--json")
    assert (done.code, done.json) == (
        1,
        [
            {
                "worker": COUNT,
                "key": "k",
                "reason": "the payload has 1 bytes, fewer than its head alone",
                "repaired": False,
            }
        ],
    )
    assert "--repair" in run("verify").err
    assert run("verify", "--repair").code == 1
    assert run("verify", "--json") == Done(0, "[]\n", "")
    assert run("stats", "--json").json["total"]["quarantined"] == 1


# ---- prune and rm


def test_prune(store: DiskStore, run: Run) -> None:
    for number, name in enumerate("abcd"):
        put(store, name, age=number * 10 * DAY)
    cost = {"seconds": 2.0, "tokens": 10, "dollars": 0.5, "unpriced": 0}
    told = {"dry_run": True, "entries": 1, "size": 20, "cost": cost}
    assert run("prune", "--older-than", "25d", "--dry-run", "--json").json == {**told, "questions": 0, "profiles": 0}
    done = run("prune", "--older-than", "25d")
    assert done.out == "removed 1 entry of 20 B\nto compute it again would take 2 s, 10 tokens, $0.50\n"
    assert run("prune", "--expired").out == "removed 0 entries of 0 B\n"
    assert run("prune", "--max-entries", "1", "--worker", "Count").code == 0
    assert len(run("ls", "--json").json) == 1
    run("prune", "--max-size", "0")
    assert run("ls").code == 1


def test_rm_of_one_entry_does_not_ask(store: DiskStore, run: Run) -> None:
    put(store, "a")
    put(store, "a", kind="question")
    put(store, "b", sources=["a"])
    assert run("rm", digest_of("a")[:10], "--json").json["questions"] == 1
    assert listed(run("ls", "--json")) == ["b"]


def test_rm_with_all_that_was_computed_from_it(store: DiskStore, run: Run) -> None:
    put(store, "a")
    put(store, "b", sources=["a"])
    put(store, "c")
    done = run("rm", digest_of("a"), "--downstream", "--dry-run")
    assert "would remove 2 entries" in done.out
    assert run("rm", digest_of("a"), "--downstream", "--yes").code == 0
    assert listed(run("ls", "--json")) == ["c"]


def test_rm_by_worker_and_field(store: DiskStore, run: Run) -> None:
    for name in "abc":
        put(store, name)
    put(store, "d", worker=PRICE)
    assert run("rm", "--field", "name=a").code == 0
    assert run("rm", "--worker", "Count", "-y").code == 0
    assert listed(run("ls", "--json")) == ["d"]
    assert run("rm", "--worker", "Count") == Done(1, "", "planai: no entry is wanted: nothing was removed\n")
    done = run("rm", "--worker", "Count", "--json")
    assert (done.code, done.json["entries"], done.err) == (1, 0, "")
    assert run("rm", digest_of("d"), "--worker", "Count").code == 1
    assert listed(run("ls", "--json")) == ["d"]


def test_fields_of_what_a_worker_has_stored_are_found(folder: Path, run: Run) -> None:
    run_inline(Shout(cache_dir=folder), Word(text="hello"), Word(text="bye"))
    (entry,) = run("ls", "--field", "text=hello", "--json").json
    assert run("rm", "--field", "text=hello").code == 0
    assert entry["key"] not in [one["key"] for one in run("ls", "--json").json]


@pytest.mark.parametrize("said", ["y\n", "n\n", ""])
def test_rm_of_several_asks(store: DiskStore, folder: Path, said: str) -> None:
    for name in "ab":
        put(store, name)
    put(store, "c", worker=PRICE)
    done = process("rm", "--worker", "Count", "--dir", str(folder), "--json", input=said)
    assert "Remove 2 entries? [y/N]" in done.stderr
    assert digest_of("a")[:16] in done.stderr
    assert (done.returncode, len(store.scan())) == ((0, 1) if said == "y\n" else (1, 3))
    assert bool(done.stdout) == (done.returncode == 0)


# ---- export and import


def test_export_and_import(store: DiskStore, run: Run, tmp_path: Path) -> None:
    put(store, "a", profile=put_profile(store, profile()))
    put(store, "b", worker=PRICE)
    file, other = tmp_path / "file", str(tmp_path / "other")
    done = run("export", str(file), "--worker", "Count", "--json").json
    assert done == {"file": str(file), "entries": 1, "questions": 0, "profiles": 1, "size": 20, "damaged": 0}
    assert run("import", str(file), "--dir", other, "--json").json == {
        "file": str(file),
        "added": 1,
        "replaced": 0,
        "older": 0,
    }
    assert "1 known or older" in run("import", str(file), "--dir", other).out
    assert [entry["key"] for entry in run("ls", "--dir", other, "--json").json] == [digest_of("a")]


def test_an_export_of_nothing_replaces_none(store: DiskStore, run: Run, tmp_path: Path) -> None:
    put(store, "a")
    file = tmp_path / "file"
    run("export", str(file))
    whole = file.read_bytes()
    done = run("export", str(file), "--worker", "Cuont")
    assert done == Done(1, "", "planai: no entry is there, or none that is wanted: nothing was written\n")
    done = run("export", str(file), "--worker", "Cuont", "--json")
    assert (done.code, done.json["entries"], done.err) == (1, 0, "")
    assert file.read_bytes() == whole


def test_it_is_the_cache_that_cannot_be_written(store: DiskStore, run: Run, tmp_path: Path) -> None:
    put(store, "a")
    file = tmp_path / "file"
    run("export", str(file))
    done = run("import", str(file), "--dir", str(file))
    assert done.code == 1
    assert f"the cache in {str(file)!r} cannot be used: " in done.err


def test_a_foreign_file_makes_no_cache(folder: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    done = run("import", str(tmp_path / "file"))
    assert done.code == 1
    assert "is no export of a planai cache" in done.err
    assert not folder.exists()


# ---- how it ends


WRONG = [
    ("ls", "--older-than", "30"),
    ("ls", "--larger-than", "much"),
    ("ls", "--sort", "colour"),
    ("ls", "--limit", "-1"),
    ("ls", "--field", "name"),
    ("prune",),
    ("prune", "--expired", "--max-entries", "1"),
    ("rm",),
    ("show",),
    ("nonsense",),
]


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_a_wrong_use_is_exit_code_2(store: DiskStore, run: Run, args: tuple[str, ...]) -> None:
    put(store, "a")
    done = run(*args)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_exit_codes_of_processes(store: DiskStore, folder: Path, tmp_path: Path) -> None:
    put(store, "a")
    assert process("ls", "--dir", str(folder)).returncode == 0
    assert process("ls", cwd=tmp_path).returncode == 0, "./cache is the default"
    assert process("show", "nobody", "--dir", str(folder)).returncode == 1
    assert process("prune", "--dir", str(folder)).returncode == 2


def test_ctrl_c_ends_cleanly(store: DiskStore, folder: Path) -> None:
    put(store, "a")
    put(store, "b")
    with subprocess.Popen(
        [*COMMAND, "rm", "--worker", "Count", "--dir", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as asking:
        assert asking.stderr is not None
        said = b""
        while b"[y/N]" not in said:
            said += asking.stderr.read(1)
        asking.send_signal(signal.SIGINT)
        assert asking.wait(timeout=60) == 130
        assert b"Traceback" not in asking.stderr.read()
    assert len(store.scan()) == 2


def test_into_a_pipe_goes_plain_text_that_is_not_cut(store: DiskStore, folder: Path) -> None:
    put(store, "a", fields={"name": "x" * 300})
    done = process("ls", "--dir", str(folder), env={**os.environ, "COLUMNS": "80", "FORCE_COLOR": "1"})
    assert "x" * 300 in done.stdout
    assert "\x1b" not in done.stdout


def test_on_a_terminal_a_table_fits_and_is_limited(store: DiskStore, folder: Path) -> None:
    for number in range(60):
        put(store, f"{number} " + "x" * 300)
    lines, told = on_a_terminal(100, "ls", "--dir", str(folder))
    assert told == "50 of 60 entries; --limit 0 shows all\n"
    assert len(lines) == 51
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_terminal_hides_no_column(store: DiskStore, folder: Path, width: int) -> None:
    put(store, "a", age=DAY, cost=Cost(90.0, 1200, 0.5))
    lines, _ = on_a_terminal(width, "ls", "--dir", str(folder))
    assert lines[0].split() == ["ID", "WORKER", "AGE", "SIZE", "COST", "HITS", "INPUT"]
    for shown in (COUNT.rpartition(":")[2], "1 d", "1.5 min, 1"):
        assert shown in lines[1]
    assert lines[1][:16] == put(store, "a")[:16]


def on_a_terminal(width: int, *args: str) -> tuple[list[str], str]:
    """Return the lines that a command prints on a terminal so wide, and what it says on stderr."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    with subprocess.Popen([*COMMAND, *args], stdout=theirs, stderr=subprocess.PIPE, env=env) as child:
        os.close(theirs)
        lines = re.sub(r"\x1b\[\d*m", "", _read(ours)).splitlines()
        assert child.stderr is not None
        told = child.stderr.read().decode()
        assert child.wait(timeout=60) == 0, told
    return lines, told


def _read(terminal: int) -> str:
    said = b""
    while True:
        try:
            piece = os.read(terminal, 10_000)
        except OSError:  # how a terminal ends whose other side is closed
            piece = b""
        if not piece:
            os.close(terminal)
            return said.decode()
        said += piece


def test_a_hundred_thousand_entries_are_listed(folder: Path) -> None:
    store = DiskStore(folder)
    payload, now = CODEC.encode({"counted": 1}), time.time()

    def fill(number: int) -> None:
        told = about(str(number)).dump()
        store.put(COUNT, digest_of(str(number)), Record(payload, now - number, cost=Cost(1.0), about=told))

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(fill, range(MANY)))
    store.close()
    # Twice what they take on a machine that is busy with nothing else.
    assert _seconds(["ls", "--dir", str(folder)], MANY + 1) < 4.0
    assert _seconds(["ls", "--dir", str(folder), "--json"], MANY + 2) < 4.0
    assert _seconds(["ls", "--dir", str(folder), "--limit", "20"], 21) < 2.0


def _seconds(args: list[str], lines: int) -> float:
    """Return the seconds of CPU that a command takes which prints so many lines, from its start."""
    began = _cpu_of_children()
    done = process(*args)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == lines
    assert digest_of("0")[:16] in done.stdout.splitlines()[1]
    return _cpu_of_children() - began


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
