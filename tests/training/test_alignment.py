"""The alignment model reads as the pipeline does, and its losses are those of the formulas."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from pipelines.projections import InputProjection, InputProjectionConfig
from pipelines.prompt import encode_dialogue
from training.alignment import AlignmentModel
from training.config import StageOptions
from training.data import Sample, WorldMedia, render, world_sample, world_samples
from training.losses import IGNORED
from training.parts import Parts, load_parts
from training.prepare import prepare
from training.sequences import SequenceSet


@pytest.fixture(scope="module")
def parts(untrained_folder: Path) -> Parts:
    return load_parts(StageOptions(output=Path("unused"), preset=str(untrained_folder)))


def prepared(parts: Parts, samples: list[Sample], cache: Path) -> SequenceSet:
    return prepare(samples, parts.pipe, parts.encoders, parts.decoders, cache)


def grouped(parts: Parts) -> Parts:
    """The same model with pictures gathered into 3 groups."""
    tokens = parts.encoders[Modality.IMAGE].part
    config = InputProjectionConfig(
        tokens.width, parts.core.width, "group", hidden=16, num_heads=2, depths=(1, 1),
        num_group_tokens=(3, 0), num_output_groups=(3,),
    )  # fmt: skip
    torch.manual_seed(0)
    projection = InputProjection(config).eval()
    pipe = copy(parts.pipe)
    pipe.input_projections = nn.ModuleDict({**parts.pipe.input_projections, Modality.IMAGE.value: projection})
    return replace(parts, pipe=pipe, inputs={**parts.inputs, Modality.IMAGE: projection})


@pytest.mark.parametrize("gather", [lambda parts: parts, grouped], ids=["each on its own", "in groups"])
def test_hidden_states_are_the_pipelines_own(parts: Parts, tmp_path: Path, gather: Callable[[Parts], Parts]) -> None:
    parts = gather(parts)
    sample = world_sample(3, "train", "animate_seen")
    data = prepared(parts, [sample], tmp_path)
    model = AlignmentModel(parts.core, parts.inputs, parts.outputs)
    _, states = model.read(data.collate([0]))

    pipe: AnyToAnyPipeline = parts.pipe
    pieces = []
    for item in encode_dialogue(sample.messages, parts.core.tokenizer, parts.core.signals).items:
        if isinstance(item, int):
            pieces.append(parts.core.embed([item]))
        else:
            assert isinstance(item.media, WorldMedia)
            pieces.append(pipe.embed_media(render(item.media)))
    wanted = parts.core(torch.cat(pieces).unsqueeze(0))
    torch.testing.assert_close(states, wanted, rtol=0, atol=5e-3)  # features are cached in half precision


def test_padding_changes_nothing(parts: Parts, tmp_path: Path) -> None:
    data = prepared(parts, world_samples("talk", 6, 0, "train"), tmp_path)
    model = AlignmentModel(parts.core, parts.inputs, parts.outputs)
    _, together = model.read(data.collate(range(6)))
    for row, sequence in enumerate(data.sequences):
        _, alone = model.read(data.collate([row]))
        torch.testing.assert_close(together[row, : len(sequence)], alone[0], rtol=1e-4, atol=1e-5)


def test_of_words_alone_no_condition_is_taught(parts: Parts, tmp_path: Path) -> None:
    samples = [sample for sample in world_samples("talk", 6, 0, "train") if sample.words_only]
    read = prepare(samples, parts.pipe, {}, {}, tmp_path)  # no decoder is asked for its conditions
    run = parts.core.signals.run(Modality.IMAGE)
    for sequence in read.sequences:
        assert not sequence.signals
        assert set(run) <= set(sequence.labels.tolist())  # that something is made is said


def test_the_loss_is_cross_entropy_and_weighted_distances(parts: Parts, tmp_path: Path) -> None:
    data = prepared(parts, world_samples("make", 6, 0, "train"), tmp_path)
    units = data.units()
    model = AlignmentModel(parts.core, {}, parts.outputs, distance_weight=0.5, units=units)
    batch = data.collate(range(6))
    losses = model(batch)
    embeddings, states = model.read(batch)
    logits = parts.core.logits(states)
    entropy = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
    )
    torch.testing.assert_close(losses["cross_entropy"], entropy)
    distances = [value for name, value in losses.items() if name.endswith("_distance")]
    assert len(distances) == 3
    torch.testing.assert_close(losses["loss"], entropy + 0.5 * sum(distances))
    made = model.conditions(batch, embeddings, states)[Modality.IMAGE]["prompt_embeds"]
    apart = made - batch.signals[Modality.IMAGE].values["prompt_embeds"]
    wanted = torch.linalg.vector_norm(apart, dim=-1).mean() / units[Modality.IMAGE]["prompt_embeds"]
    torch.testing.assert_close(losses["image_distance"], wanted)


def test_the_frozen_beginning_changes_neither_losses_nor_gradients(parts: Parts, tmp_path: Path) -> None:
    batch = prepared(parts, world_samples("make", 6, 0, "train"), tmp_path).collate(range(6))
    model = AlignmentModel(parts.core, {}, parts.outputs)
    rows = [parts.core.input_rows, parts.core.output_rows]
    found = []
    for core_trains in (False, True):
        model.train_only([*model.outputs.parameters(), *rows])
        model.core_trains = core_trains
        model.zero_grad()
        loss = model(batch)["loss"]
        loss.backward()
        found.append((loss, [row.grad for row in rows]))
    torch.testing.assert_close(found[0], found[1])


def test_only_what_is_chosen_trains_and_always_gets_a_gradient(parts: Parts, tmp_path: Path) -> None:
    data = prepared(parts, world_samples("describe", 1, 0, "train"), tmp_path)  # images alone
    model = AlignmentModel(parts.core, parts.inputs, parts.outputs)
    chosen = [*model.inputs.parameters(), parts.core.input_rows]
    model.train_only(chosen)
    for parameter in model.parameters():
        parameter.grad = None
    model(data.collate([0]))["loss"].backward()
    assert all(parameter.grad is not None for parameter in chosen)
    others = [parameter for parameter in model.parameters() if not any(parameter is one for one in chosen)]
    assert others
    assert all(parameter.grad is None for parameter in others)


def test_an_unknown_encoder_is_named(untrained_folder: Path) -> None:
    options = StageOptions(output=Path("unused"), preset=str(untrained_folder))
    with pytest.raises(ValueError, match="no encoder 'siglip'; it has: imagebind, clip"):
        load_parts(options, encoder="siglip")


def test_fresh_parts_are_the_same_every_time(untrained_folder: Path) -> None:
    options = StageOptions(output=Path("unused"), preset=str(untrained_folder), fresh=True)
    one, other = load_parts(options), load_parts(replace(options, fresh=False))
    for name, value in one.pipe.input_projections.state_dict().items():
        torch.testing.assert_close(other.pipe.input_projections.state_dict()[name], value, rtol=0, atol=0)
    assert read_config(untrained_folder).has_adapter is False
