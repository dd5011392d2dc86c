"""Taking along what PlanAI 0.7.1 has stored."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copy(FOLDER / "shop.py", tmp_path)
    shutil.copytree(FOLDER / "planai-0.7.1", tmp_path / "theirs")
    return tmp_path


def migrate(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from planai.cli.app import main; main()", "cache", "migrate", "shop.py:program"]
    command += ["--from-planai", "theirs", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return done


def run(folder: Path) -> dict[str, object]:
    program = """
import json, shop
graph, tasks = shop.program()
result = graph.run(tasks, display_terminal=False)
print(json.dumps({"computed": shop.computed, "hits": result.cache_hits, "outputs": len(result.outputs),
                  "failures": len(result.failures)}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_was_computed_under_planai_is_not_computed_again(shop: Path) -> None:
    counts = json.loads(migrate(shop, "--i-trust-this-folder", "--json").stdout)["entries"]
    assert counts == {"taken": 3, "left, since nothing shows which worker made it, with what settings or prompt": 1}
    assert run(shop) == {"computed": [], "hits": 3, "outputs": 7, "failures": 0}


def test_answers_of_models_are_taken_along_by_who_knows_their_prompts(shop: Path) -> None:
    counts = json.loads(migrate(shop, "--i-trust-this-folder", "--accept-code", "--json").stdout)["entries"]
    assert counts == {"taken": 4}
    assert run(shop)["hits"] == 4


def test_a_second_time_everything_is_there(shop: Path) -> None:
    migrate(shop, "--i-trust-this-folder")
    done = migrate(shop, "--i-trust-this-folder")
    assert "3 there already" in done.stdout


def test_other_settings_have_other_keys(shop: Path) -> None:
    text = (shop / "shop.py").read_text(encoding="utf-8")
    (shop / "shop.py").write_text(text.replace('currency: str = "euro"', 'currency: str = "franc"'), encoding="utf-8")
    done = migrate(shop, "--i-trust-this-folder", code=1)
    assert "taken" not in done.stdout
    assert run(shop)["hits"] == 0


def test_a_folder_has_to_be_trusted(shop: Path) -> None:
    done = migrate(shop, code=1)
    assert "--i-trust-this-folder" in done.stderr
    assert not (shop / "cache").exists()


def test_a_folder_without_a_cache_is_told(shop: Path) -> None:
    (shop / "theirs" / "cache.db").unlink()
    assert "there is no cache of PlanAI" in migrate(shop, "--i-trust-this-folder", code=1).stderr
