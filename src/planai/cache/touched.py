"""What a piece of code changes, seen from its instructions: attributes, globals and what these hold.

The instructions are gone through once, in their order, with a picture of the stack that knows where each value comes
from. Where it does not, as after a call, nothing is said to change: then what is there counts with its present value,
which may lose a hit, but gives no wrong answer.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import NamedTuple

Path = tuple[str, ...]
"""Where a value comes from: ``("self", "memo")``, ``("global", "TABLE")``, or ``("free", "count")``."""

_MUTATORS = frozenset(
    {
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert", "move_to_end"),
        *("pop", "popitem", "popleft", "remove", "setdefault", "sort", "update", "reverse"),
    }
)
_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS", "JUMP_FORWARD", "JUMP_BACKWARD"})
_ENDS |= {"JUMP_BACKWARD_NO_INTERRUPT"}
_SUBSCRIPT_IS_BINARY = sys.version_info >= (3, 14)
_NULL_COMES_FIRST = sys.version_info < (3, 13)
_INSIDE = "[]"
_ATTRIBUTE = 2  # the length of a path to an attribute of `self`, or of a global


class Touched(NamedTuple):
    """What code changes.

    Attributes:
        assigned: what gets another value.
        filled: what is changed in place, such as a list that is appended to.
        used: the attributes that are looked up, such as a method of a global: ``("global", "CLIENT", "ask")``.
    """

    assigned: frozenset[Path]
    filled: frozenset[Path]
    used: frozenset[Path]


@functools.lru_cache(4096)
def touched_by(code: types.CodeType, me: str | None = None) -> Touched:
    """Return what `code`, and the functions inside it, change.

    Args:
        code: of a function or method.
        me: what the code calls the object whose attributes are of interest; None for its first parameter.
    """
    if me is None:
        me = code.co_varnames[0] if code.co_argcount else ""
    own = _Pass(code, me).result()
    inner = [touched_by(constant, me) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    hidden: set[Path] = {("free", name) for name in code.co_cellvars}  # which an inner function sees as its own
    return Touched(*(frozenset().union(*paths) - hidden for paths in zip(own, *inner, strict=True)))


def names_in(code: types.CodeType) -> set[str]:
    """Return the names that `code`, and the functions inside it, use: of attributes as of globals."""
    inner = (names_in(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


class _Pass:
    """One pass over the instructions of a code object."""

    def __init__(self, code: types.CodeType, me: str) -> None:
        self._code = code
        self._me = me
        self._stack: list[Path | None] = []
        self._variables: dict[str, Path | None] = {}
        self._at: dict[int, list[Path | None]] = {}
        self._assigned: set[Path] = set()
        self._filled: set[Path] = set()
        self._used: set[Path] = set()

    def result(self) -> Touched:
        ended = False
        for step in dis.get_instructions(self._code):
            if ended:
                self._stack = list(self._at.get(step.offset, []))
            self._take(step)
            ended = step.opname in _ENDS
        return Touched(frozenset(self._assigned), frozenset(self._filled), frozenset(self._used))

    def _take(self, step: dis.Instruction) -> None:
        name = step.opname
        if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
            self._at.setdefault(step.argval, self._after(step, jump=True))
        if name.startswith(("LOAD_FAST", "STORE_FAST")):
            self._variable(name, step.argval if isinstance(step.argval, tuple) else (step.argval,))
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            self._attribute(step)
        elif name in ("LOAD_GLOBAL", "LOAD_NAME"):
            self._global(step)
        elif name == "BINARY_SUBSCR" or (_SUBSCRIPT_IS_BINARY and name == "BINARY_OP" and step.argrepr == _INSIDE):
            self._pop()
            self._push(_below(self._pop(), _INSIDE))
        else:
            handler = _HANDLERS.get(name)
            if handler is None:
                self._stack = self._after(step, jump=False)
            else:
                handler(self, step)

    def _after(self, step: dis.Instruction, *, jump: bool) -> list[Path | None]:
        """Return the stack after an instruction that nothing is known of but how many values it takes and leaves."""
        effect = dis.stack_effect(step.opcode, step.arg, jump=jump)
        stack = list(self._stack)
        if effect > 0:
            if stack and not step.opname.startswith(("LOAD_", "PUSH_")):
                stack[-1] = None  # it may have been taken, and something else left
            return [*stack, *[None] * effect]
        del stack[len(stack) + effect :]
        if stack and not (jump or step.opname.startswith("POP_") or effect == 0):
            stack[-1] = None
        return stack

    def _variable(self, operation: str, names: tuple[str, ...]) -> None:
        """Load or store variables; newer Pythons do so with two at once."""
        kinds = [part for part in operation.replace("_AND_CLEAR", "").replace("_BORROW", "").split("_") if part]
        does = [part for part in kinds if part in ("LOAD", "STORE")]
        for what, name in zip(does, names, strict=False):
            if what == "STORE":
                self._variables[name] = self._pop()
            else:
                self._push(("self",) if name == self._me else self._variables.get(name))

    def _attribute(self, step: dis.Instruction) -> None:
        owner = self._pop()
        if step.argval in _MUTATORS:
            self._fill(owner)
        found = _below(owner, step.argval)
        if found is not None and len(found) >= _ATTRIBUTE:  # `self.__class__` is `self` still
            self._used.add(found)
        self._push(found)
        if dis.stack_effect(step.opcode, step.arg) > 0:
            self._push(None)

    def _global(self, step: dis.Instruction) -> None:
        found: list[Path | None] = [("global", step.argval)]
        if dis.stack_effect(step.opcode, step.arg) > 1:
            found.insert(0 if _NULL_COMES_FIRST else 1, None)
        self._stack += found

    def _fill(self, path: Path | None) -> None:
        if path is not None and len(path) >= _ATTRIBUTE:
            self._filled.add(path[:_ATTRIBUTE])
            if path[0] == "global":
                self._filled.add(path[: _ATTRIBUTE + 1])

    def _assign_attribute(self, step: dis.Instruction) -> None:
        owner = self._pop()
        if not step.opname.startswith("DELETE"):
            self._pop()
        if owner is not None and (owner == ("self",) or (owner[0] != "self" and len(owner) == _ATTRIBUTE)):
            self._assigned.add((*owner, step.argval))
        else:
            self._fill(owner)

    def _assign_item(self, step: dis.Instruction) -> None:
        for _ in range({"STORE_SLICE": 2}.get(step.opname, 1)):
            self._pop()
        self._fill(self._pop())
        if not step.opname.startswith("DELETE"):
            self._pop()

    def _assign_global(self, step: dis.Instruction) -> None:
        if not step.opname.startswith("DELETE"):
            self._pop()
        self._assigned.add(("global", step.argval))

    def _assign_cell(self, step: dis.Instruction) -> None:
        value = self._pop()
        if step.argval in self._code.co_freevars:
            self._assigned.add(("free", step.argval))
        else:
            self._variables[step.argval] = value

    def _load_cell(self, step: dis.Instruction) -> None:
        name = step.argval
        if name in (self._me, "__class__"):
            self._push(("self",))
        else:
            self._push(("free", name) if name in self._code.co_freevars else self._variables.get(name))

    def _copy(self, step: dis.Instruction) -> None:
        depth = step.arg or 1
        self._push(self._stack[-depth] if depth <= len(self._stack) else None)

    def _swap(self, step: dis.Instruction) -> None:
        depth = step.arg or 1
        if depth <= len(self._stack):
            self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]

    def _call(self, step: dis.Instruction) -> None:
        """Leave what nothing is known of, but for ``type(self)``, which stands for the same as ``self``."""
        arguments = [self._pop() for _ in range(step.arg or 0)]
        called = (self._pop(), self._pop())
        self._push(("self",) if arguments == [("self",)] and ("global", "type") in called else None)

    def _iterate(self, step: dis.Instruction) -> None:
        self._push(_below(self._stack[-1] if self._stack else None, _INSIDE))

    def _nothing(self, step: dis.Instruction) -> None:
        """Leave the stack as it is."""

    def _push(self, path: Path | None) -> None:
        self._stack.append(path)

    def _pop(self) -> Path | None:
        return self._stack.pop() if self._stack else None


_HANDLERS = {
    "CALL": _Pass._call,  # noqa: SLF001
    "COPY": _Pass._copy,  # noqa: SLF001 - a table of one's own methods
    "DELETE_ATTR": _Pass._assign_attribute,  # noqa: SLF001
    "DELETE_GLOBAL": _Pass._assign_global,  # noqa: SLF001
    "DELETE_SUBSCR": _Pass._assign_item,  # noqa: SLF001
    "FOR_ITER": _Pass._iterate,  # noqa: SLF001
    "GET_ITER": _Pass._nothing,  # noqa: SLF001
    "PRECALL": _Pass._nothing,  # noqa: SLF001
    "LOAD_CLASSDEREF": _Pass._load_cell,  # noqa: SLF001
    "LOAD_DEREF": _Pass._load_cell,  # noqa: SLF001
    "STORE_ATTR": _Pass._assign_attribute,  # noqa: SLF001
    "STORE_DEREF": _Pass._assign_cell,  # noqa: SLF001
    "STORE_GLOBAL": _Pass._assign_global,  # noqa: SLF001
    "STORE_SLICE": _Pass._assign_item,  # noqa: SLF001
    "STORE_SUBSCR": _Pass._assign_item,  # noqa: SLF001
    "SWAP": _Pass._swap,  # noqa: SLF001
}


def _below(path: Path | None, name: str) -> Path | None:
    if path is None or (path == ("self",) and name == "__class__"):
        return path
    return (*path, name)
