"""Hub repositories without a network: what is here is used when it is whole, and what is missing is named."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError
from huggingface_hub.utils import filter_repo_objects

from encoders.hub import find_part, hub_file, hub_folder, missing_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository somebody/model as a finished download leaves it in the cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--somebody--model"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for name in FILES:
        (folder / name).write_text("{}")
    index = {"weight_map": {"a": FILES[1], "b": FILES[2]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_a_whole_copy_needs_no_network(snapshot: Path) -> None:
    assert hub_folder("somebody/model") == snapshot
    assert hub_folder("somebody/model", COMMIT, FILES) == snapshot
    assert find_part("somebody/model") == snapshot
    assert find_part(snapshot) == snapshot


def test_a_half_downloaded_repository_is_never_used_and_the_missing_file_is_named(snapshot: Path) -> None:
    (snapshot / FILES[2]).unlink()
    told = rf"'somebody/model' is only partly .* {FILES[2]}.*hf download somebody/model --include '{FILES[2]}'"
    with pytest.raises(ValueError, match=told):
        hub_folder("somebody/model")


def test_a_file_still_on_its_way_does_not_count(snapshot: Path) -> None:
    """As a broken download leaves it: its bytes in a blob that ends in .incomplete, and no name in the snapshot."""
    (snapshot / FILES[0]).unlink()
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir()
    (blobs / "aaaa.incomplete").write_text("{")
    with pytest.raises(
        ValueError, match=r"missing: config\.json\. With a network, run: hf download .*where it broke off"
    ):
        hub_folder("somebody/model", files=FILES)


def test_a_listing_of_the_repository_tells_what_is_missing_too(snapshot: Path) -> None:
    """What hf download knows of a repository it keeps beside the files, and checks when the hub is out of reach."""
    trees = snapshot.parents[1] / "trees"
    trees.mkdir()
    entry = {"size": 2, "blob_id": "a" * 40, "lfs_sha256": None, "lfs_size": None, "xet_hash": None}
    listing = dict.fromkeys((*FILES, "tokenizer.json"), entry)
    (trees / f"{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": listing}))
    with pytest.raises(ValueError, match=r"'somebody/model' is only partly on this machine .*tokenizer\.json"):
        hub_folder("somebody/model", files=(*FILES, "tokenizer.json"))


def test_of_a_pipeline_its_parts_are_fetched_and_nothing_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    index = tmp_path / "model_index.json"
    index.write_text(json.dumps({"_class_name": "P", "unet": ["diffusers", "U"], "vae": ["diffusers", "V"]}))
    asked: dict[str, list[str]] = {}

    def download(repository: str, **options: Any) -> str:
        asked.update(options)
        return str(tmp_path)

    monkeypatch.setattr("encoders.hub.hf_hub_download", lambda repository, name, revision: str(index))
    monkeypatch.setattr("encoders.hub.snapshot_download", download)
    hub_folder("somebody/pipeline")
    listed = [
        "v1-5-pruned.safetensors", "unet/diffusion_pytorch_model.safetensors", "vae/config.json", "model_index.json",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.bin", "unet/evil.py",
    ]  # fmt: skip
    patterns = {"allow_patterns": asked["allow_patterns"], "ignore_patterns": asked["ignore_patterns"]}
    assert list(filter_repo_objects(listed, **patterns)) == listed[1:4]


def test_an_unknown_repository_is_named_with_its_files_and_the_command_that_gets_them(snapshot: Path) -> None:
    told = (
        r"'nobody/nothing' is neither on this machine nor can it be fetched \(needed: a\.json, b/\*\)\. "
        r"With a network, run: hf download nobody/nothing --revision v1 --include 'a\.json' --include 'b/\*'"
    )
    with pytest.raises(ValueError, match=told):
        hub_folder("nobody/nothing", "v1", ("a.json", "b/*"))


def test_an_index_of_shards_is_given_only_with_every_shard(snapshot: Path) -> None:
    names = ("model.safetensors", "model.safetensors.index.json")
    assert hub_file("somebody/model", names) == snapshot / names[1]
    (snapshot / FILES[2]).unlink()
    with pytest.raises(ValueError, match=rf"\(needed: {FILES[2]}\)\. .*--include '{FILES[2]}'"):
        hub_file("somebody/model", names)


def test_a_gated_repository_says_where_to_accept_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        response: Any = SimpleNamespace(headers={}, request=None)
        raise GatedRepoError("gated", response=response)

    monkeypatch.setattr("encoders.hub.hf_hub_download", refuse)
    for ask in (lambda: hub_folder("owner/gated"), lambda: hub_file("owner/gated", ("a.safetensors",))):
        with pytest.raises(
            ValueError, match=r"'owner/gated' is given only to those who accept its terms.*hf auth login"
        ):
            ask()


def test_a_revision_that_is_not_here_is_not_replaced_by_another(snapshot: Path) -> None:
    with pytest.raises(ValueError, match="neither on this machine"):
        hub_folder("somebody/model", "f" * 40)


def test_shards_are_looked_for_beside_their_index(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "x.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "x-1.safetensors"}}))
    assert missing_files(tmp_path, ("unet/*.json", "vae/*")) == ["vae/*", "unet/x-1.safetensors"]


@pytest.mark.parametrize("name", ["nothing", "./no/where", "~/model", "a/b/c"])
def test_what_is_no_folder_and_no_repository_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="wanted a folder or a hub repository"):
        find_part(name)
