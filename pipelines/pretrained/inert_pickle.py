"""Interpret a pickle without running it: names stay names, and calls become records of what was asked for."""

import io
import pickletools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

MAX_OPCODES = 400_000  # a released file has tens of thousands; each can make an object of some hundred bytes
VALUES = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
SINGLETONS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
NO_EFFECT = frozenset({"PROTO", "FRAME", "STOP"})
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Refused(ValueError):
    """A pickle asks for something that is never done, or is no whole pickle; nothing in it was run."""


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names, as "module name"; it is never looked up."""

    name: str


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for and that is never made: whose, with what, the pairs and the state then put in."""

    name: str
    args: tuple[Any, ...]
    items: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


def interpret(data: bytes, known: Collection[str], with_state: Collection[str] = ()) -> Any:
    """Return what a pickle describes, of numbers, strings, bytes, tuples, lists, dicts, Names and Calls alone.

    `known` are the "module name"s that it may name, `with_state` those whose results may be given a state. Sets become
    lists. What refers to itself or is shared is so in the result too: walk it with a limit. Raises Refused for any
    other name, for opcodes that reach outside of the pickle or are not written today, and for damaged pickles.
    """
    machine = _Machine(known, with_state)
    count, end = 0, 0
    try:
        for opcode, argument, position in pickletools.genops(io.BytesIO(data)):
            count, end = count + 1, position or 0
            if count > MAX_OPCODES:
                raise Refused(f"it has more than {MAX_OPCODES} steps, which no released file has")
            machine.step(opcode.name, argument)
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Refused(f"it is no whole pickle: {error}") from error
    if end + 1 != len(data) or len(machine.stack) != 1 or machine.outer:
        raise Refused("it is no whole pickle: something is left over after its end")
    return machine.stack[0]


class _Machine:
    """The stack and the memory of a pickle machine (Python's pickletools describes each opcode)."""

    def __init__(self, known: Collection[str], with_state: Collection[str]) -> None:
        self.known = known
        self.with_state = with_state
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Follow one opcode."""
        stack = self.stack
        if opcode in VALUES:
            stack.append(argument)
        elif opcode in SINGLETONS:
            stack.append(SINGLETONS[opcode])
        elif opcode in TUPLES:
            self.stack[-TUPLES[opcode] :] = [tuple(self._top(TUPLES[opcode]))]
        elif opcode not in NO_EFFECT:
            self._build(opcode, argument)

    def _build(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        match opcode:
            case "MARK":
                self.outer.append(stack)
                self.stack = []
            case "TUPLE":
                self._from_mark(tuple)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._set([stack.pop(-2), stack.pop()])
            case "SETITEMS":
                self._set(self._since_mark())
            case "GLOBAL":
                stack.append(self._name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                module, name = stack.pop(-2), stack.pop()
                stack.append(self._name(module, name))
            case "REDUCE" | "NEWOBJ":
                self._call()
            case "BUILD":
                self._give_state(stack.pop())
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self._top(1)[0]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self._top(1)[0]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case _:
                raise Refused(f"it uses the opcode {opcode}, which no file of this kind needs")

    def _top(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise Refused("it is no whole pickle: it takes more than it has put down")
        return self.stack[-count:]

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def _from_mark(self, kind: type) -> None:
        items = self._since_mark()
        self.stack.append(kind(items))

    def _extend(self, values: list[Any]) -> None:
        target = self._top(1)[0]
        if type(target) is not list:
            raise Refused(f"it adds items to a {_kind(target)}")
        target.extend(values)

    def _set(self, flat: list[Any]) -> None:
        target = self._top(1)[0]
        items = target.items if isinstance(target, Call) else target
        if type(items) is not dict or len(flat) % 2:
            raise Refused(f"it sets entries of a {_kind(target)}")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Numbers can be chosen so that all fall into one place of a dict, which then takes hours.
            if not isinstance(key, str):
                raise Refused(f"it has a {_kind(key)} as a key, where names are wanted")
            items[key] = value

    def _name(self, module: object, name: object) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Refused("it names something by other than its name")
        if f"{module} {name}" not in self.known:
            raise Refused(f"it asks for {module}.{name}, which is not among the few things that such a file needs")
        return Name(f"{module} {name}")

    def _call(self) -> None:
        function, arguments = self._top(2)
        if not isinstance(function, Name) or type(arguments) is not tuple:
            raise Refused(f"it calls a {_kind(function)} with a {_kind(arguments)}")
        self.stack[-2:] = [Call(function.name, arguments)]

    def _give_state(self, state: Any) -> None:
        target = self._top(1)[0]
        if not (isinstance(target, Call) and target.name in self.with_state):
            raise Refused(f"it sets the state of a {_kind(target)}")
        target.state = state


def _kind(value: object) -> str:
    return value.name.replace(" ", ".") if isinstance(value, Name | Call) else type(value).__name__
