"""Pitfalls 43 to 47: who can write to a cache can run nothing, and a cache that is broken or cleared harms nobody."""

from __future__ import annotations

import json
import os
import pickle
import stat
import warnings
import zlib
from pathlib import Path
from types import new_class
from typing import Any

import pytest
from pydantic import SecretStr

from cache.pitfalls.kit import Counting, Double, Number, Word, database, entries, figures, program, run, values_of
from planai import CachedLLMTaskWorker, CachedTaskWorker, Task
from planai.cache.cache import CacheWarning
from planai.errors import ConfigurationError

ONE = Number(value=1)

# pitfall 43


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def sealed(form: bytes, body: bytes) -> bytes:
    """Make a payload with a right checksum, as a forger would."""
    return form + zlib.crc32(form + body).to_bytes(4, "big") + body


FORMS = [b"j", b"z", b"p", b"P", b"\x80"]


@pytest.mark.parametrize("form", FORMS)
def test_a_pickle_that_was_planted_in_the_store_is_never_loaded(tmp_path: Path, folder: Path, form: bytes) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    trap = pickle.dumps(Trap(tmp_path / "trapped"))
    for payload in (trap, sealed(form, trap)):
        with database(folder) as connection:
            connection.execute("UPDATE entries SET payload = ?", (payload,))
        assert (values_of(run(worker, ONE)), (tmp_path / "trapped").exists()) == ([2], False)


CRAFTED: list[dict[str, Any]] = [
    {"$": "model", "c": "subprocess:Popen", "v": {"args": "true"}},
    {"$": "dataclass", "c": "pathlib:Path", "v": {}},
    {"$": "object", "c": "os:system", "v": ["true"]},
]


@pytest.mark.parametrize("crafted", CRAFTED)
def test_a_type_that_was_made_up_in_the_store_is_never_made(folder: Path, crafted: dict[str, Any]) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    with database(folder) as connection:
        connection.execute("UPDATE entries SET payload = ?", (sealed(b"j", json.dumps(crafted).encode()),))
    result = run(worker, ONE)
    assert (figures(result), values_of(result)) == ((0, 1), [2])


def test_no_setting_allows_pickle() -> None:
    settings = {*CachedTaskWorker.model_fields, *CachedLLMTaskWorker.model_fields}
    assert [name for name in settings if "pickle" in name or "trust" in name or "allow" in name] == []
    with pytest.raises(ConfigurationError, match="allow_pickle"):
        Double(allow_pickle=True)


def test_using_a_cache_imports_no_pickle(tmp_path: Path) -> None:
    text = """
    class Work(CachedTaskWorker):
        output_types = [Number]
        def consume_work(self, task: Number) -> None:
            self.publish_work(task)

    class Forbidden:
        def find_spec(self, name, path=None, target=None):
            assert name not in ("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"), name

    import pickle
    pickle.loads = pickle.load = pickle.dumps = pickle.dump = pickle.Unpickler = pickle.Pickler = None
    sys.meta_path.insert(0, Forbidden())
    print(*(run_inline(Work(cache_dir="cache"), Number(value=1)).cache_hits for _ in range(2)))
    """
    assert program(tmp_path, "import textwrap\nexec(textwrap.dedent('''" + text + "'''))") == ["0", "1"]


# pitfall 44; the modes of folder and files are in tests/cache/test_disk.py


class Login(Task):
    user: str
    password: SecretStr


class Check(Counting):
    output_types = [Login]

    def consume_work(self, task: Login) -> None:
        self.publish_work(task)


def test_what_a_worker_leaves_behind_is_private_to_its_owner(folder: Path) -> None:
    before = os.umask(0)
    try:
        run(Double(cache_dir=folder), ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_secret_decides_and_is_nowhere_in_the_cache(folder: Path) -> None:
    class Length(CachedTaskWorker):
        output_types = [Word]

        def consume_work(self, task: Login) -> None:
            self.publish_work(Word(text=str(len(task.password.get_secret_value()))))

    worker = Length(cache_dir=folder)
    for password in ("hunter2-very-secret", "another"):
        assert figures(run(worker, Login(user="a", password=SecretStr(password)))) == (0, 1)
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"hunter2" not in written
    assert b"hunter2" not in repr(entries(folder)).encode()


def test_an_answer_with_a_secret_is_not_stored_and_that_is_said(folder: Path) -> None:
    worker = Check(cache_dir=folder)
    with pytest.warns(CacheWarning, match="password.* is a secret"):
        result = run(worker, Login(user="a", password=SecretStr("hunter2-very-secret")))
    assert len(result.outputs) == 1
    assert b"hunter2" not in b"".join(file.read_bytes() for file in folder.iterdir())


# pitfall 45

MISTAKES: dict[str, dict[str, Any]] = {
    "a wrong name": {"cache_dri": "x"},
    "a name of another library": {"cache_expiration": 60},
    "a negative time": {"cache_ttl": -1},
    "no entries": {"cache_size_limit": 0},
    "a text for a number": {"cache_ttl": "soon"},
    "no mode": {"cache_mode": "sometimes"},
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_an_option_that_cannot_be_meant_is_refused_when_the_worker_is_made(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(mistake))):
        Double(**mistake)


@pytest.mark.parametrize("mistake", [{"cache_ttl": -1}, {"cache_size_limit": 0}, {"cache_ttl": "soon"}])
def test_an_option_that_cannot_be_meant_is_refused_in_the_body_of_a_class(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(mistake))):
        new_class("Wrong", (Double,), exec_body=lambda body: body.update(mistake))()


# pitfall 46


def test_a_store_that_is_no_store_is_counted_told_once_and_costs_no_run(folder: Path) -> None:
    folder.mkdir()
    (folder / "planai.sqlite3").write_bytes(b"this is no database, but it is long enough to be taken for one" * 100)
    worker = Double(cache_dir=folder)
    tasks = [Number(value=value) for value in range(20)]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for hits in (0, 20):
            result = run(worker, *tasks, executor="threads")
            assert (result.failures, values_of(result)) == ([], [2 * value for value in range(20)])
            assert (figures(result), worker.get_cache().errors > 0) == ((hits, 20 - hits), True)
    assert [type(each.message) for each in seen] == [CacheWarning]


def test_a_store_that_works_again_is_used_again(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")
    worker = Double(cache_dir=folder)
    with pytest.warns(CacheWarning):
        assert figures(run(worker, ONE)) == (0, 1)
    folder.unlink()
    assert [figures(run(worker, ONE)) for _ in range(2)] == [(0, 1), (1, 0)]


# pitfall 47


class Fetch(Double):
    pass


class FetchMore(Double):
    pass


class Fetch_(Double):  # noqa: N801 - what LIKE would take for any character
    pass


class Fetc(Double):
    pass


def test_clearing_one_worker_leaves_those_whose_names_begin_alike(folder: Path) -> None:
    workers = [kind(cache_dir=folder) for kind in (Fetch, FetchMore, Fetch_, Fetc)]
    tasks = [Number(value=value) for value in range(5)]
    for worker in workers:
        run(worker, *tasks)
    for number, worker in enumerate(workers):
        worker.clear_cache()
        lengths = [len(other.get_cache()) for other in workers]
        assert lengths == [0] * (number + 1) + [5] * (3 - number)
        assert not any(worker.is_cached(task) for task in tasks)


def test_clearing_leaves_the_same_class_in_another_folder(tmp_path: Path) -> None:
    one, other = Double(cache_dir=tmp_path / "a"), Double(cache_dir=tmp_path / "ab")
    for worker in (one, other):
        run(worker, ONE)
    one.clear_cache()
    assert (one.is_cached(ONE), other.is_cached(ONE)) == (False, True)
