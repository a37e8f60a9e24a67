"""The language core under a NExT-GPT checkpoint: its shapes, its own rows against the checkpoint's, a copy with those."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from encoders.json_file import read_index, read_json
from encoders.safe_folder import INDEX, PICKLED, check_no_code, check_weights
from pipelines.quiet import quiet

WHOLE = "model.safetensors"
CHUNK = 4096  # rows compared at once
SPACES = ("▁", "Ġ")  # a lone space, as SentencePiece and byte-level vocabularies write it


@dataclass(frozen=True, eq=False)
class BaseCore:
    """A causal language model in a folder, known without loading its weights.

    `embedding` and `head` name its matrices (num_rows, width), `head` None if it is the embedding itself; `linears` are
    the shapes (out, in) of its linear layers by name; `file_of` says which file holds a tensor.
    """

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    num_rows: int
    width: int
    embedding: str
    head: str | None
    linears: Mapping[str, tuple[int, int]]
    file_of: Mapping[str, Path]

    @property
    def matrices(self) -> tuple[str, ...]:
        """The names of the matrices with a row for each token."""
        return (self.embedding,) if self.head is None else (self.embedding, self.head)

    @property
    def vocabulary_sizes(self) -> tuple[int, ...]:
        """The numbers of rows that it may have had when tokens were added: with and without added tokens, padded."""
        sizes = (len(self.tokenizer), self.tokenizer.vocab_size, self.num_rows)
        return tuple(dict.fromkeys(size for size in sizes if size <= self.num_rows))

    def rows(self, name: str, start: int, end: int) -> Tensor:
        """Read rows start to end of a matrix, as float32."""
        with safe_open(self.file_of[name], framework="pt") as file:
            rows: Tensor = file.get_slice(name)[start:end]
        return rows.float()

    def space(self) -> int:
        """Return the id of a lone space. Raises ValueError if there is none."""
        vocabulary = self.tokenizer.get_vocab()
        for name in SPACES:
            if name in vocabulary:
                return int(vocabulary[name])
        raise ValueError(f"The tokenizer of {self.folder} has no token for a lone space, which this checkpoint needs.")


@dataclass(frozen=True)
class RowDifference:
    """How far a checkpoint's rows of the base vocabulary are from the base's own.

    `largest` is the largest difference of two values, at row `row`; `similarity` the median cosine of two rows;
    `rounding` what the coarser of the two number formats explains.
    """

    matrix: str
    num_rows: int
    num_different: int
    largest: float
    row: int
    similarity: float
    rounding: float

    @property
    def is_same(self) -> bool:
        return self.num_different == 0

    def __str__(self) -> str:
        return (
            f"{self.matrix}: {self.num_different} of {self.num_rows} rows differ, the most by {self.largest:.3g} "
            f"(row {self.row}); two rows are alike to {self.similarity:.4f}"
        )


def read_base(folder: Path) -> BaseCore:
    """Learn a causal language model's shapes without its weights.

    Raises ValueError if it may not be loaded or lacks a matrix.
    """
    for name in ("config.json", "tokenizer_config.json"):
        check_no_code(read_json(folder / name), folder / name)
    check_weights(folder)
    with quiet():
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    names = {module: name for name, module in model.named_modules()}
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied = bool(getattr(config, "tie_word_embeddings", False))
    linears = {
        name: (module.out_features, module.in_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }
    base = BaseCore(
        folder=folder,
        tokenizer=tokenizer,
        num_rows=embedding.weight.shape[0],
        width=embedding.weight.shape[1],
        embedding=f"{names[embedding]}.weight",
        head=None if is_tied else f"{names[head]}.weight",
        linears=linears,
        file_of=_files(folder),
    )
    if missing := [name for name in base.matrices if name not in base.file_of]:
        raise ValueError(f"The core in {folder} holds no {', '.join(missing)}.")
    return base


def compare_rows(base: BaseCore, name: str, rows: Tensor) -> RowDifference:
    """Compare the first rows (N, width) of a checkpoint's matrix with the base's."""
    with safe_open(base.file_of[name], framework="pt") as file:
        own_dtype = file.get_slice(name)[:1].dtype
    coarser = max((own_dtype, rows.dtype), key=lambda dtype: torch.finfo(dtype).eps)
    largest, at, scale = 0.0, 0, 0.0
    distances, cosines = [], []
    for start in range(0, len(rows), CHUNK):
        theirs = rows[start : start + CHUNK].float()
        own = base.rows(name, start, start + len(theirs))
        distance = (theirs - own).abs().amax(dim=1)
        if float(distance.max()) > largest or not bool(distance.isfinite().all()):
            largest, at = float(distance.max()), start + int(distance.argmax())
        scale = max(scale, float(own.abs().max()))
        distances.append(distance)
        cosines.append(nn.functional.cosine_similarity(theirs, own, dim=1))
    rounding = torch.finfo(coarser).eps * scale
    different = int((~(torch.cat(distances) <= rounding)).sum())
    return RowDifference(name, len(rows), different, largest, at, float(torch.cat(cosines).median()), rounding)


def copy_with_rows(base: BaseCore, target: Path, rows: Mapping[str, Tensor]) -> None:
    """Write a copy of the base into a folder, the first rows of its matrices replaced, in its own number format."""
    target.mkdir()
    changed = {base.file_of[name] for name in rows}
    for path in sorted(base.folder.iterdir()):
        if path.is_file() and path not in changed and path.suffix not in PICKLED and not path.name.startswith("."):
            shutil.copyfile(path, target / path.name)
    for path in sorted(changed):
        tensors = load_file(path)
        for name, values in rows.items():
            if name in tensors:
                tensors[name][: len(values)] = values.to(tensors[name].dtype)
        save_file(tensors, target / path.name, metadata={"format": "pt"})


def _files(folder: Path) -> dict[str, Path]:
    index = folder / f"model{INDEX}"
    if index.is_file():
        return {name: folder / file for name, file in read_index(index).items()}
    with safe_open(folder / WHOLE, framework="pt") as file:
        return dict.fromkeys(file.keys(), folder / WHOLE)
