"""NVIDIA's network files give their tensors and settings, and hostile ones nothing, without anything being run."""

import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import pytest
import torch
from nvlabs_file import (
    called,
    mapping,
    module_steps,
    named,
    network_pickle,
    storage_bytes,
    tensor_steps,
    text,
    whole,
)

from pipelines.pretrained.nvlabs_pickle import MAX_FILE_BYTES, read_nvlabs_pickle

STATE = {
    "mapping.fc0.weight": torch.arange(6.0).view(2, 3),
    "mapping.w_avg": torch.ones(3),
    "synthesis.b4.conv1.noise_strength": torch.tensor(0.25),
    "synthesis.b4.conv1.weight": torch.randn(2, 3, 3, 3).to(memory_format=torch.channels_last),
    "synthesis.b4.torgb.weight": torch.randn(4, 4).half()[1:, ::2],
}
ARGUMENTS = {"z_dim": 3, "mapping_kwargs": {"num_layers": 1}, "synthesis_kwargs": {"conv_clamp": None, "use": [1, 2.5]}}
FOUR = storage_bytes(torch.arange(4.0))
DOUBLED = b"]q\x00" + b"0](h\x00h\x00eq\x00" * 90  # a list twice in a list, twice in a list...: never to be written out


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_genuine_file_gives_tensors_and_settings_and_its_source_text_is_not_run(
    tmp_path: Path, protocol: int
) -> None:
    trace = tmp_path / "trace"
    data = network_pickle(STATE, ARGUMENTS, protocol=protocol, trace=str(trace))
    (tmp_path / "network.pkl").write_bytes(data)
    read = read_nvlabs_pickle(tmp_path / "network.pkl")
    assert (read.class_name, read.arguments) == ("Generator", ARGUMENTS)
    assert set(read.state) == set(STATE)
    for name, tensor in STATE.items():
        assert torch.equal(read.state[name], tensor)
        assert read.state[name].dtype == tensor.dtype
    assert set(read_nvlabs_pickle(tmp_path / "network.pkl", "D").state) == {"b4.conv.weight"}
    assert not trace.exists()
    assert str(trace).encode() in data  # the source text is in the file


class Hostile:
    """Writes a folder if anything is run."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.what = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.what[0], self.what[1]


def hostile_files(trace: str) -> dict[str, bytes]:
    make = f"__import__('os').mkdir({trace!r})"
    chain = called("builtins", "getattr", called("builtins", "__import__", text("os")), text("mkdir"))
    weights = mapping(("weight", tensor_steps(pickle.dumps(Hostile(os.mkdir, trace)), 0, (2,), (1,))))
    return {
        "posix.mkdir": pickle.dumps({"G_ema": Hostile(os.mkdir, trace)}),
        "builtins.eval": pickle.dumps({"G_ema": Hostile(eval, make)}),
        "builtins.exec": pickle.dumps({"G_ema": 1, "unrelated": Hostile(exec, make)}),
        "builtins.getattr": whole(chain + b"(" + text(trace) + b"tR"),
        "cannot be read as numbers alone": whole(mapping(("G_ema", module_steps(parameters=weights)))),
        "torch.load": whole(called("torch", "load", text(trace))),
        "sets the state of": whole(
            mapping(("G_ema", called("collections", "OrderedDict") + mapping(("items", text("x"))) + b"b"))
        ),
        "opcode BINPERSID": whole(text(trace) + b"Q"),
        "opcode INST": whole(b"(" + text(trace) + b"ios\nmkdir\n"),
        "copyreg._reconstructor": whole(named("copyreg", "_reconstructor")),
    }


@pytest.mark.parametrize("message", hostile_files(""))
def test_a_hostile_file_is_refused_with_a_reason_and_runs_nothing(tmp_path: Path, message: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "network.pkl"
    path.write_bytes(hostile_files(str(trace))[message])
    with pytest.raises(ValueError, match=rf"network\.pkl is refused: .*{message}.*Nothing in it was run\. Wanted: "):
        read_nvlabs_pickle(path)
    assert not trace.exists()


@pytest.mark.parametrize("message", ["posix.mkdir", "builtins.eval", "builtins.exec", "builtins.getattr"])
def test_the_hostile_files_call_what_they_name(tmp_path: Path, message: str) -> None:
    data = hostile_files(str(tmp_path))[message]
    assert message.split(".")[1].encode() in data
    assert "REDUCE" in {opcode.name for opcode, _, _ in pickletools.genops(data)}


def forged_storage(num_claimed: int) -> bytes:
    """Return four numbers in torch's older format, under a header that claims more."""
    file = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(part, file, protocol=2)
    steps = text("storage") + named("torch", "FloatStorage") + text("1") + text("cpu")
    file.write(b"\x80\x02(" + steps + b"\x8a\x08" + num_claimed.to_bytes(8, "little") + b"NtQ.")
    pickle.dump(["1"], file, protocol=2)
    file.write(struct.pack("<q", num_claimed) + bytes(16))
    return file.getvalue()


def zipped_storage() -> bytes:
    file = io.BytesIO()
    torch.save(torch.arange(4.0), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (tensor_steps(FOUR, 0, (5,), (1,)), "weight reaches beyond its numbers"),
        (tensor_steps(FOUR, 3, (2,), (1,)), "weight reaches beyond its numbers"),
        (tensor_steps(FOUR, 0, (2, 2), (3, 1)), "weight reaches beyond its numbers"),
        (tensor_steps(FOUR, 0, (2**20, 2**20), (0, 0)), "tensors take more bytes than the file has"),
        (tensor_steps(FOUR, 0, (2**41,), (0,)), "are no sizes"),
        (tensor_steps(FOUR, 0, (1,) * 9, (1,) * 9), "are no sizes"),
        (tensor_steps(FOUR, 0, (2, 2), (1,)), "are no sizes"),
        (tensor_steps(FOUR, 2**64 - 1, (1,), (1,)), "are no sizes"),
        (tensor_steps(b"not a pickle", 0, (1,), (1,)), "not in torch's older format"),
        (tensor_steps(zipped_storage(), 0, (1,), (1,)), "not in torch's older format"),
        (tensor_steps(forged_storage(2**30), 0, (1,), (1,)), "cannot be read as numbers alone"),
        (tensor_steps(forged_storage(2**60), 0, (1,), (1,)), "cannot be read as numbers alone"),
        (tensor_steps(FOUR[:-1], 0, (1,), (1,)), "cannot be read as numbers alone"),
        (tensor_steps(pickle.dumps({"a": 1}), 0, (1,), (1,)), "cannot be read as numbers alone"),
        (tensor_steps(FOUR, 0, (0, 2**39), (1, 1)), "are no sizes"),
        (tensor_steps(storage_bytes(torch.arange(4)), 0, (4,), (1,)), "no floating-point numbers"),
        (text("weight"), "weight is no tensor"),
        (called("collections", "OrderedDict"), "weight is no tensor"),
    ],
)
def test_a_tensor_that_is_not_there_is_refused(tmp_path: Path, tensor: bytes, message: str) -> None:
    (tmp_path / "n.pkl").write_bytes(whole(mapping(("G_ema", module_steps(parameters=mapping(("weight", tensor)))))))
    with pytest.raises(ValueError, match=message):
        read_nvlabs_pickle(tmp_path / "n.pkl")


def test_the_forged_storage_is_one_that_torch_reads_if_it_tells_the_truth(tmp_path: Path) -> None:
    steps = module_steps(parameters=mapping(("weight", tensor_steps(forged_storage(4), 0, (4,), (1,)))))
    (tmp_path / "n.pkl").write_bytes(whole(mapping(("G_ema", steps))))
    assert torch.equal(read_nvlabs_pickle(tmp_path / "n.pkl").state["weight"], torch.zeros(4))


def bomb(fan: int, depth: int) -> bytes:
    """Modules that each hold the one before many times over."""
    steps = module_steps() + b"q\x01"
    for _ in range(depth):
        held = mapping(*((f"m{number}", b"h\x01") for number in range(fan)))
        steps += b"0" + module_steps(modules=held) + b"q\x01"
    return steps


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (bomb(2, 30), "more than 10000 modules"),
        (bomb(100, 5), "more than 10000 modules"),
        (bomb(1, 20), "more than 16 deep"),
        (module_steps(version=5), "not stored in version 6"),
        (module_steps(class_name=DOUBLED), "is no class"),
        (module_steps(modules=DOUBLED), "_modules is no mapping"),
        (module_steps(parameters=text("x")), "_parameters is no mapping"),
        (text("x"), "G_ema is no module of NVIDIA's"),
    ],
)
def test_modules_that_are_none_are_refused(tmp_path: Path, network: bytes, message: str) -> None:
    (tmp_path / "n.pkl").write_bytes(whole(mapping(("G_ema", network))))
    with pytest.raises(ValueError, match=message):
        read_nvlabs_pickle(tmp_path / "n.pkl")


def test_settings_that_double_again_and_again_are_refused(tmp_path: Path) -> None:
    doubled: list[object] = []
    for _ in range(60):
        doubled = [doubled, doubled]
    (tmp_path / "n.pkl").write_bytes(network_pickle(STATE, {"z_dim": doubled}))
    with pytest.raises(ValueError, match="more than 1000 settings"):
        read_nvlabs_pickle(tmp_path / "n.pkl")


NESTED = {
    "lists": b"]" * 901 + b"a" * 900,
    "tuples": b")" + b"\x85" * 900,
    "mappings": b"}" + (text("x") + b"}") * 900 + b"s" * 900,
}


@pytest.mark.parametrize("kind", NESTED)
def test_settings_nested_deeper_than_python_follows_are_refused(tmp_path: Path, kind: str) -> None:
    steps = module_steps(settings=mapping(("z_dim", NESTED[kind])))
    (tmp_path / "n.pkl").write_bytes(whole(mapping(("G_ema", steps))))
    with pytest.raises(ValueError, match="some nested more than 32 deep"):
        read_nvlabs_pickle(tmp_path / "n.pkl")


def test_a_file_that_is_no_network_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "n.pkl"
    with pytest.raises(ValueError, match="there is no file"):
        read_nvlabs_pickle(path)
    path.write_bytes(pickle.dumps({"G": 1}))
    with pytest.raises(ValueError, match="holds no 'G_ema', but: G"):
        read_nvlabs_pickle(path)
    path.write_bytes(whole(named("dnnlib.tflib.network", "Network")))
    with pytest.raises(ValueError, match=r"files of the TensorFlow version are converted by the legacy\.py"):
        read_nvlabs_pickle(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="no whole pickle"):
        read_nvlabs_pickle(path)
    os.truncate(path, MAX_FILE_BYTES + 1)  # a sparse file: it takes no room
    with pytest.raises(ValueError, match="no released network has more"):
        read_nvlabs_pickle(path)
