"""Plans: parameters counted without weights, bytes of files, and what each device would hold."""

from dataclasses import replace

import pytest

from encoders.modality import Modality
from encoders.options import EncoderOptions
from pipelines import published
from pipelines.core_options import CoreOptions
from pipelines.decoders.placement import Placement
from pipelines.facts import BYTES, Network, Part
from pipelines.load_options import LoadOptions
from pipelines.plan import POSITIONS, Plan, cache_bytes, count_parameters, make_plan
from pipelines.presets import PRESETS, Preset

PARTS = {part.title: part for preset in PRESETS.values() for part in preset.parts}


def networks() -> list[tuple[str, Network]]:
    several = [(f"{part.repository} {network.name}", network) for part in PARTS.values() for network in part.networks]
    return [(name, network) for name, network in several if network.kind != "file"]


@pytest.mark.parametrize(("name", "network"), networks(), ids=[name for name, _ in networks()])
def test_what_is_recorded_of_a_network_is_what_its_config_builds(name: str, network: Network) -> None:
    assert count_parameters(network) == network.num_parameters


def test_released_sizes_are_exact() -> None:
    counts = {part.repository: part.num_parameters for part in PARTS.values()}
    assert counts[published.IMAGEBIND_HUGE.repository] == 1_200_781_057
    assert counts["ChocoWu/nextgpt_7b_tiva_v0"] == (
        31_958_784 + 32_090_112 + 31_788_544 + 4_198_400 + 33_554_432 + 262_455_296
    )
    assert counts["huggyllama/llama-7b"] == 6_738_415_616


@pytest.mark.parametrize("part", PARTS.values(), ids=lambda part: part.repository)
def test_listed_bytes_are_what_the_parameters_come_to(part: Part) -> None:
    for network in part.networks:
        assert network.size == pytest.approx(network.counted_size, rel=3e-3)
        assert network.counted_size >= network.num_parameters * BYTES[network.stored]


def part(role: str, *memory: int, repository: str) -> Part:
    made = tuple(
        Network(f"n{at}", "file", count, (f"{at}.safetensors",), {
            "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3,
        })
        for at, count in enumerate(memory)
    )  # fmt: skip
    return Part("t", role, repository, "MIT", "yes", "https://x", made)  # type: ignore[arg-type]


PRESET = Preset(
    "small", "Small", "s", "MIT",
    core=part("core", 1000, repository="core"),
    encoders=(part("encoder", 10, repository="encoder"),),
    decoders={
        Modality.IMAGE: part("decoder", 300, 40, repository="image"),
        Modality.VIDEO: part("decoder", 500, repository="video"),
    },
)  # fmt: skip
CACHE = 2 * 3 * 2 * 4 * POSITIONS  # keys and values, layers, heads, head width


def plan(options: LoadOptions) -> Plan:
    return make_plan(PRESET, options)


def test_without_offload_a_device_holds_everything() -> None:
    options = LoadOptions("cuda", CoreOptions("bfloat16"), Placement("cuda", "float16"))
    assert plan(options).memory == {"cuda": 2 * 1000 + 4 * 10 + 2 * (300 + 40 + 500) + 2 * CACHE}


def test_with_offload_the_processor_holds_decoders_and_the_device_the_largest_at_a_time() -> None:
    options = LoadOptions("cuda", CoreOptions("bfloat16"), Placement("cuda", "float16", offload="model"))
    assert plan(options).memory == {
        "cuda": 2 * 1000 + 4 * 10 + 2 * CACHE + 2 * 500,
        "cpu": 2 * (300 + 40 + 500),
    }


def test_precision_may_differ_by_component_and_by_modality() -> None:
    options = LoadOptions(
        "cpu",
        CoreOptions("float32"),
        Placement(dtypes={"n1": "bfloat16"}),
        {Modality.VIDEO: Placement(dtype="float16")},
    )
    assert plan(options).memory == {"cpu": 4 * 1000 + 4 * 10 + 4 * 300 + 2 * 40 + 2 * 500 + 4 * CACHE}


def test_an_encoder_has_a_precision_and_a_place_of_its_own() -> None:
    options = LoadOptions(
        "cuda", CoreOptions("bfloat16"), Placement("cuda", "float16"), encoders=EncoderOptions("bfloat16", device="cpu")
    )
    assert plan(options).memory == {"cuda": 2 * 1000 + 2 * (300 + 40 + 500) + 2 * CACHE, "cpu": 2 * 10}
    assert plan(options.on("cpu")).memory["cpu"] == 2 * 1000 + 2 * 10 + 2 * (300 + 40 + 500) + 2 * CACHE


def test_automatic_precision_is_that_of_the_files() -> None:
    core = replace(PRESET.core.networks[0], stored="float16")  # type: ignore[union-attr]
    assert cache_bytes(core, "auto") == 2 * CACHE
    assert cache_bytes(core, "float32") == 4 * CACHE


def test_the_bytes_to_fetch_are_those_of_all_parts() -> None:
    assert plan(LoadOptions()).num_bytes == 4 * (1000 + 10 + 300 + 40 + 500)
    assert PRESETS["tiny"].num_bytes is None
    assert make_plan(PRESETS["tiny"], LoadOptions()).memory == {}
