"""Weight files of others are read without running anything in them, and must fit name by name."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from encoders.weights import find_weights, floats, load_strictly, read_weights, write_tensors

STATE = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


class Malicious:
    """A pickle that writes a file as soon as it is opened carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_malicious_pickle_is_refused_unopened_and_says_what_to_do(tmp_path: Path, suffix: str) -> None:
    path, trace = tmp_path / f"weights{suffix}", tmp_path / "trace"
    torch.save({"weight": Malicious(trace)}, path)
    with pytest.raises(ValueError, match=r"asks for more than tensors .* refused\. Ask its publisher for safetensors"):
        read_weights(path)
    assert not trace.exists()
    assert b"mkdir" in path.read_bytes()  # the file asks for what the test says of it


def test_a_torchscript_archive_is_refused_unopened_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="torch.jit"):
        torch.jit.save(torch.jit.trace(nn.Linear(3, 2), torch.ones(1, 3)), tmp_path / "RN50.pt")
    with pytest.raises(ValueError, match=r"is a TorchScript archive: it holds code .*safetensors\.torch\.save_file"):
        read_weights(tmp_path / "RN50.pt")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_half_downloaded_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(STATE, path) if suffix == ".safetensors" else torch.save(STATE, path)
    whole = path.read_bytes()
    for kept in (0, 10, len(whole) - 8):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"(?i)half-downloaded.*fetch it again"):
            read_weights(path)


def rezipped(path: Path, change: Callable[[bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write an archive of torch's again with another pickle in it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, change(data) if name.endswith("data.pkl") else data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:2] + b"0" + data[2:],  # takes away what was never put down
        lambda data: data.replace(b"weight", b"\xff\xfeight"),
        lambda data: data.replace(b"q\x00", b"h\x63", 1),  # asks for what was never kept
        lambda data: data.replace(b"K\x02K\x03\x86", b"K\x02K\x09\x86"),  # more rows than numbers
    ],
)
def test_a_damaged_pickle_in_a_whole_archive_is_told_to_be_damaged(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(STATE, path)
    before = path.read_bytes()
    rezipped(path, damage)
    assert path.read_bytes() != before
    with pytest.raises(ValueError, match=r"damaged or half-downloaded; fetch it again|asks for more than tensors"):
        read_weights(path)


def test_an_archive_whose_directory_is_damaged_is_told_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(STATE, path)
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[:at] + b"PK\x09\x09" + data[at + 4 :])
    with pytest.raises(ValueError, match="damaged or half-downloaded; fetch it again"):
        read_weights(path)


def test_an_archive_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(1000, 1000)}, path)
    rezipped(path, bytes, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="unpacks to more than its size"):
        read_weights(path)


def test_tensors_of_more_numbers_than_the_file_holds_are_refused(tmp_path: Path) -> None:
    """A stride of nought makes four bytes a tensor of any size; many views of the same numbers do, too."""
    path, one = tmp_path / "weights.pth", torch.ones(50_000)
    for state in ({"weight": torch.ones(1).expand(2**20, 2**20)}, {str(number): one[number:] for number in range(20)}):
        torch.save(state, path)
        with pytest.raises(ValueError, match="names tensors of more numbers than it holds"):
            read_weights(path)
    torch.save({"embedding": one, "head": one}, path)  # as tied ones are
    assert set(read_weights(path)) == {"embedding", "head"}


@pytest.mark.parametrize(
    "tensor", [torch.ones(2, 3).to_sparse(), torch.ones(2, 3, device="meta")], ids=["sparse", "meta"]
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_tensors_without_their_numbers_are_no_weights(tmp_path: Path, tensor: Tensor) -> None:
    torch.save({"weight": tensor, "bias": STATE["bias"]}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="these entries are no tensors: weight"):
        read_weights(tmp_path / "weights.pth")


def test_a_pointer_of_git_lfs_is_no_weights_file(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(ValueError, match=r"a git-lfs pointer or an error page\. Fetch it again"):
        read_weights(tmp_path / "weights.bin")


def test_files_are_read_alike_whatever_their_format(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "a.pth")
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": STATE}, tmp_path / "training.pt")
    for path in tmp_path.iterdir():
        read = read_weights(path)
        assert set(read) == set(STATE)
        assert torch.equal(read["weight"], STATE["weight"])


def test_a_split_state_dict_is_put_together_from_its_own_folder_only(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for i, (name, tensor) in enumerate(STATE.items()):
        save_file({name: tensor}, tmp_path / f"part-{i}.safetensors")
    index.write_text(json.dumps({"weight_map": {"weight": "part-0.safetensors", "bias": "part-1.safetensors"}}))
    assert find_weights(tmp_path, ["absent.bin", "model.safetensors"]) == index
    assert set(read_weights(index)) == set(STATE)
    index.write_text(json.dumps({"weight_map": {"weight": "../part-0.safetensors"}}))
    with pytest.raises(ValueError, match="lies outside its folder"):
        read_weights(index)


def test_what_is_no_state_dict_is_named(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"weight": STATE["weight"], "steps": 3}, tmp_path / "mixed.pt")
    for name, message in (
        ("list.pt", "holds a list"),
        ("mixed.pt", "no tensors: steps"),
        ("absent.pt", "there is no file"),
    ):
        with pytest.raises(ValueError, match=message):
            read_weights(tmp_path / name)
    (tmp_path / "weights.npz").touch()
    with pytest.raises(ValueError, match=r"wanted \.safetensors, \.pt, \.pth, \.bin"):
        read_weights(tmp_path / "weights.npz")


def test_missing_extra_and_wrong_shaped_names_are_all_reported() -> None:
    state = {"weight": torch.ones(3, 2), **{f"surprise{i}": torch.ones(1) for i in range(7)}}
    with pytest.raises(ValueError, match=r"x\.pth does not fit") as refused:
        load_strictly(nn.Linear(3, 2), state, "x.pth")
    report = str(refused.value)
    assert "1 missing: bias;" in report
    assert "7 extra: surprise0, surprise1, surprise2, surprise3, surprise4 and 2 more;" in report
    assert "1 wrong shape: weight (3, 2) instead of (2, 3)." in report


def test_a_refused_state_dict_changes_nothing() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    with pytest.raises(ValueError, match="missing: bias"):
        load_strictly(module, {"weight": torch.zeros(2, 3)}, "x.pth")
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (
            torch.full((2, 3), torch.nan),
            r"a file is damaged: it holds NaN, which is no number, in weight\. Fetch it again",
        ),
        (
            torch.ones(2, 3, dtype=torch.int8),
            r"a file holds whole numbers where weights belong.*: weight \(torch\.int8\)",
        ),
    ],
)
def test_weights_that_are_no_numbers_or_whole_ones_are_named(weight: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_strictly(nn.Linear(3, 2), {"weight": weight, "bias": torch.zeros(2)}, "a file")


def test_half_precision_becomes_float32_and_counters_stay_whole() -> None:
    state = {"weight": torch.ones(2, dtype=torch.float16), "steps": torch.tensor(3)}
    made = floats(state)
    assert not state
    assert made["weight"].dtype == torch.float32
    assert made["steps"].dtype == torch.int64


def test_a_death_while_weights_are_written_again_leaves_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"weight": torch.ones(3)})

    def die(tensors: object, written: Path) -> None:
        written.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("encoders.weights.save_file", die)
    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"weight": torch.zeros(3)})
    assert read_weights(path)["weight"].tolist() == [1, 1, 1]
    assert list(tmp_path.iterdir()) == [path]
