"""MigratingTaskWorker: a worker that can take answers along when its classes or its code change."""

from __future__ import annotations

from planai.cache.about import About, Profile, load_about
from planai.cache.canonical import qualified
from planai.cache.explaining import ExplainingTaskWorker
from planai.cache.key import key_of
from planai.cache.memo import per_class
from planai.cache.store import Info
from planai.task import Task


def may_be_migrated(old: Profile, new: Profile, *, accept_code: bool = False) -> bool:
    """Tell whether answers under `old` are those that a worker under `new` gives, but for the classes of its outputs.

    The worker's own code has to be the same: what it would fill new fields with, only it can tell.

    Args:
        old: the profile under which the answers are stored.
        new: the profile of the worker now.
        accept_code: whether somebody knows that changes of code have changed no answer.
    """
    changed = {name for name in old.parts.keys() | new.parts.keys() if old.parts.get(name) != new.parts.get(name)}
    accepted = {"code", "types", "outputs"} | ({"logic", "input"} if accept_code else set())
    return changed <= accepted and old.outputs.keys() == new.outputs.keys()


@per_class
def can_migrate(kind: type) -> bool:
    """Tell whether a task class has a ``cache_migrate``."""
    return hasattr(kind, "cache_migrate")


class MigratingTaskWorker(ExplainingTaskWorker):
    """A worker that can take answers along when its classes or its code change."""

    def migrate_cache(self, *, accept_code: bool = False) -> int:
        """Store the answers of earlier versions of this worker for the present one, too; return how many.

        Answers whose classes have changed go through ``cache_migrate`` of the class, if it has one, and have to be
        valid then. Those that depend on what was looked up in a provenance are left: they migrate when they are asked
        for. The earlier entries stay, so that going back to the earlier version finds them.

        Args:
            accept_code: also take along what was computed by other code. Only you can know that this is right, as
                after a change that made the same thing shorter.
        """
        profiles = self._profiles_()
        kinds = {qualified(kind): kind for kind in _with_subclasses(self.get_task_classes())}
        present = {name: self.cache_description(kind) for name, kind in kinds.items()}
        newest: dict[str, tuple[Info, About]] = {}
        for info in sorted(self.get_cache().notes(self.cache_space), key=lambda info: info.stored_at):
            about = load_about(info.about)
            if about is None or about.reads or about.input not in kinds or about.profile not in profiles:
                continue
            new = self.cache_profile(kinds[about.input])
            if about.profile == new:
                continue
            if may_be_migrated(profiles[about.profile], present[about.input], accept_code=accept_code):
                newest[key_of(new, about.parts)] = (info, about._replace(profile=new))
        cache = self.get_cache()
        there = {info.key for info in cache.known(newest)}
        return sum(
            cache.copy(info.key, key, about._replace(id=self.cache_answer_id(key)).dump())
            for key, (info, about) in newest.items()
            if key not in there
        )


def _with_subclasses(kinds: list[type[Task]]) -> list[type[Task]]:
    found = list(kinds)
    for kind in found:
        found += [one for one in kind.__subclasses__() if one not in found]
    return found
