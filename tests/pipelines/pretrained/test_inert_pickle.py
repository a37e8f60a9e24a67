"""A pickle is interpreted: what it describes is there, what it asks for is not done."""

import pickle
from collections import OrderedDict

import pytest
from nvlabs_file import called, named, text, whole

from pipelines.pretrained.inert_pickle import MAX_OPCODES, Call, Name, Refused, interpret

ORDERED = "collections OrderedDict"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_what_pickle_reads(protocol: int) -> None:
    shared = ["twice"]
    content = {
        "numbers": [0, 1, 255, 65535, -1, 2**40, -(2**70), 0.5], "truth": (True, False, None), "text": "ä" * 300,
        "pairs": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "3": {"deep": [[], {}]}, "shared": [shared, shared],
    }  # fmt: skip
    read = interpret(pickle.dumps(content, protocol=protocol), ())
    assert read == content
    assert read["shared"][0] is read["shared"][1]


def test_bytes_are_read_and_sets_become_lists() -> None:
    assert interpret(pickle.dumps((b"x" * 300, {1}), protocol=4), ()) == (b"x" * 300, [1])


def test_a_call_stays_a_record_of_what_was_asked_for() -> None:
    call = interpret(pickle.dumps(OrderedDict(a=1, b=2), protocol=4), {ORDERED})
    assert isinstance(call, Call)
    assert (call.name, call.args, call.items) == (ORDERED, (), {"a": 1, "b": 2})
    assert interpret(whole(named("collections", "OrderedDict")), {ORDERED}) == Name(ORDERED)


def test_a_list_in_itself_is_read_without_end() -> None:
    circle: list[object] = []
    circle.append(circle)
    read = interpret(pickle.dumps(circle), ())
    assert read[0] is read


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (called("posix", "system", text("true")), "asks for posix.system"),
        (b"\x8c\x0bcollections\x8c\x1dOrderedDict.fromkeys.__self__\x93", "asks for collections.OrderedDict.fromkeys"),
        (b"cos system\nx\n", "asks for os.system.x"),
        (b"K\x01K\x02\x93", "by other than its name"),
        (b"(S'true'\nios\nsystem\n", "opcode STRING"),
        (b"(K\x01ios\nsystem\n", "opcode INST"),
        (b"(ccollections\nOrderedDict\no", "opcode OBJ"),
        (b"Pname\n", "opcode PERSID"),
        (b"K\x01Q", "opcode BINPERSID"),
        (b"\x82\x01", "opcode EXT1"),
        (b"\x83\x01\x00", "opcode EXT2"),
        (b"\x84\x01\x00\x00\x00", "opcode EXT4"),
        (b"]2", "opcode DUP"),
        (b"]p0\n", "opcode PUT"),
        (b"g0\n", "opcode GET"),
        (b"(\x91", "opcode FROZENSET"),
        (b"\x96" + bytes(8), "opcode BYTEARRAY8"),
        (b"K\x01\x98", "opcode READONLY_BUFFER"),
        (b"L9L\n", "opcode LONG"),
        (b"(l", "opcode LIST"),
        (b"(d", "opcode DICT"),
        (b"I1\n", "opcode INT"),
        (b"\x97", "opcode NEXT_BUFFER"),
        (named("collections", "OrderedDict") + b")}\x92", "opcode NEWOBJ_EX"),
        (b"K\x01)R", "calls a int with a tuple"),
        (text("x") + b")\x81", "calls a str"),
        (called("collections", "OrderedDict") + b")R", "calls a collections.OrderedDict"),
        (called("collections", "OrderedDict") + b"}b", "sets the state of a collections.OrderedDict"),
        (b"}}b", "sets the state of a dict"),
        (called("collections", "OrderedDict") + b"K\x01a", "adds items to a collections.OrderedDict"),
        (b")K\x01a", "adds items to a tuple"),
        (b"]K\x01K\x02s", "sets entries of a list"),
        (b"}(K\x01K\x02K\x03u", "sets entries of a dict"),
        (b"}])s", "has a list as a key"),
        (b"})K\x01s", "has a tuple as a key"),
        (b"}K\x01K\x01s", "has a int as a key"),
    ],
)
def test_what_is_never_done_is_refused_and_named(steps: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        interpret(whole(steps), {ORDERED})


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x80", b"version https://git-lfs", b"\x80\x03K", b"\x80\x03K\x01", b"\x80\x03.", b"\x80\x03K\x01K\x02.",
        b"\x80\x03K\x01.K\x02.", b"\x80\x03(K\x01.", b"\x80\x03t.", b"\x80\x03a.", b"\x80\x03h\x05.", b"\x80\x03\x85.",
        b"\x80\x03q\x01.", b"\x80\x03\x94.", b"\x80\x03X\xff\xff\xff\x7fabc.", b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.", b"\x80\x03\x8b\xff\xff\xff\x7f.", b"\x80\x03R.", b"\x80\x03b.",
    ],
)  # fmt: skip
def test_a_damaged_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="no whole pickle"):
        interpret(data, {ORDERED})


def test_every_cut_of_a_file_is_refused() -> None:
    data = pickle.dumps({"a": [1, (2, "x")], "b": OrderedDict(c=b"bytes")}, protocol=4)
    for length in range(len(data)):
        with pytest.raises(Refused):
            interpret(data[:length], {ORDERED})


def test_what_the_memory_keeps_is_only_ever_a_record() -> None:
    """A harmless name is kept, a string takes its place, and the place is called; and a record is put into itself."""
    swapped = named("collections", "OrderedDict") + b"q\x010" + text("system") + b"q\x010h\x01)R"
    with pytest.raises(Refused, match="calls a str with a tuple"):
        interpret(whole(swapped), {ORDERED})
    circle = interpret(
        whole(called("collections", "OrderedDict") + b"q\x01" + text("__reduce__") + b"h\x01s"), {ORDERED}
    )
    assert circle.items["__reduce__"] is circle


@pytest.mark.parametrize("steps", [b"]" * 9000 + b"a" * 8999, b")" + b"\x85" * 8999])
def test_what_is_nested_deeper_than_python_follows_is_read_all_the_same(steps: bytes) -> None:
    read = interpret(whole(steps), ())
    for _ in range(8999):
        (read,) = read
    assert not read


def test_a_file_of_very_many_steps_is_refused() -> None:
    with pytest.raises(Refused, match=f"more than {MAX_OPCODES} steps"):
        interpret(whole(b"]" + b"]0" * (MAX_OPCODES // 2)), ())


def test_lists_that_double_again_and_again_take_no_more_memory_than_the_file() -> None:
    doubling = b"]" + b"".join(
        b"q" + bytes([i]) + b"]" + b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(99)
    )
    read = interpret(whole(b"(" + doubling + b"t"), ())
    for _ in range(99):
        read = read[-1]
    assert read[0] is read[1] or read == []
