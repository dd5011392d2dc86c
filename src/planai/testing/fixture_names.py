"""The names of fixture files: made of what decides an answer besides code, so that an edit of code renames none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from planai.cache.about import PROFILES

Content = Mapping[str, Any]
"""What is in a fixture file."""

_OF_CODE = frozenset(
    {"answer", "code", "code that the task holds", "input", "logic", "messages", "outputs", "request", "types"}
)
"""Parts of keys that an edit of a worker, of its prompt or of its types changes."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.]+")
_LONGEST = 32
_DIGITS = 8


def variant_of(profile: Mapping[str, Any]) -> str:
    """Return what stands for a worker's settings, and not for its code."""
    parts = profile.get("parts") or {}
    return _digest({name: parts[name] for name in sorted(parts) if name not in _OF_CODE})


def identity_of(content: Content) -> str:
    """Return what stays the same when an answer is recorded anew after an edit of code."""
    about = content.get("about") or {}
    parts = about.get("parts") or {}
    if content["space"].startswith(PROFILES) and "input" in content:
        return _digest([content["space"], content["input"], variant_of(about)])
    if "of" in content:  # a question, about an answer
        return _digest([content["space"], content["of"], content.get("answer")])
    if "variant" in content and "task" in parts:
        stable = {name: parts[name] for name in sorted(parts) if name not in _OF_CODE}
        return _digest([content["space"], content["variant"], about.get("input"), stable])
    return _digest([content["space"], content["key"]])  # a key of the user's own making, or nothing is known of it


def folder_of(space: str) -> str:
    """Return the name of the folder for what one worker keeps."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", space)


def name_of(content: Content) -> str:
    """Return the beginning of a file's name: the input's class and first field, and digits of what it is."""
    about = content.get("about") or {}
    words = [str(content.get("input") or about.get("input") or "").rpartition(":")[2]]
    if content["space"].startswith(PROFILES):
        words.append("profile")
    elif "of" in content:
        words.append(f"reads-{content.get('answer')}")
    else:
        words += [str(value) for value in list((about.get("fields") or {}).values())[:1]]
    shown = [_UNSAFE.sub("-", word)[:_LONGEST].strip("-.") for word in words]
    return "-".join([*filter(None, shown), identity_of(content)[:_DIGITS]])


def likeness(one: Content, other: Content) -> int:
    """Return in how many parts, and look-ups in the provenance, two contents agree."""
    abouts = [one.get("about") or {}, other.get("about") or {}]
    parts, others = (about.get("parts") or {} for about in abouts)
    same = [parts[name] == others.get(name) for name in parts]
    return sum([*same, abouts[0].get("reads") == abouts[1].get("reads")])


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
