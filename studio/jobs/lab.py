"""The worker's part of the lab page: a sheet of pictures of a classic generator, drawn and kept with how it was made."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.faults import fault
from studio.jobs.figures import measure_families
from studio.jobs.queue import Lease
from studio.jobs.worker import JobKind
from studio.library.library import Library
from studio.store import Store

if TYPE_CHECKING:
    from pipelines.baselines.base import Baseline
    from pipelines.baselines.stylegan2_projection import ProjectionStep
    from studio.lab.explore import Sheet

RECIPE_KEY = "studio lab"  # under which a file says how it was made
TRUNCATIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
MORPH_STEPS = 7
TELL_EVERY = 10  # steps of a search
Asked = Mapping[str, Any]


class LabWork:
    """The worker's state: the generator that was asked last."""

    def __init__(self, store: Store, *, load: "Callable[[str], Baseline] | None" = None) -> None:
        self._library = Library(store)
        self._load = load or _load
        self._name = ""
        self._model: Baseline | None = None

    def kinds(self) -> Mapping[str, JobKind]:
        return {"lab": self.draw, "figures": measure_families}

    def draw(self, lease: Lease) -> None:
        """Draw the sheet of `payload["experiment"]` and keep it."""
        from studio.lab.sheet import lay_out

        started = time.monotonic()
        asked = lease.job.payload
        if asked["experiment"] == "compare":
            sheet, families = self._compare(lease)
        elif asked["experiment"] == "morph":
            sheet, families = self._morph(lease), []
        else:
            sheet, families = EXPERIMENTS[asked["experiment"]](self._get(asked["model"], lease), asked), []
        lease.check()
        stored, _ = self._library.media.add(
            lay_out(sheet), metadata={RECIPE_KEY: json.dumps(asked, ensure_ascii=False)}
        )
        self._library.texts.add(
            stored.id, "name", f"{asked['experiment']} {Path(asked.get('model', '')).name}".strip(), source="studio"
        )
        lease.finish({"media": stored.id, "families": families, "seconds": time.monotonic() - started})

    def _get(self, name: str, lease: Lease) -> "Baseline":
        if self._model is None or self._name != name:
            lease.emit("loading")
            self._model, self._name = self._load(name), name
            lease.emit("ready")
        return self._model

    def _morph(self, lease: Lease) -> "Sheet":
        """Draw the way between two uploaded pictures; a search in a StyleGAN tells its steps, and stops at any."""
        from encoders.files import MediaError
        from studio import lab

        asked = lease.job.payload
        model = self._get(asked["model"], lease)
        pictures = []
        for one in asked["uploads"]:
            path = self._library.media.upload_path(one["upload"])
            try:
                pictures.append(lab.picture_for(model, path))
            except MediaError as error:
                said = str(error).replace(path.name, one["name"])
                raise fault("unreadable", said=said, name=one["name"]) from error
        first, second = pictures
        done = 0

        def told(step: "ProjectionStep") -> None:
            nonlocal done
            lease.check()
            done += 1
            if done % TELL_EVERY == 0:
                lease.emit("progress", done=done, total=2 * lab.PROJECTION_STEPS)

        return lab.morph(model, first, second, steps=MORPH_STEPS, seed=asked["seed"], told=told)

    def _compare(self, lease: Lease) -> "tuple[Sheet, list[dict[str, Any]]]":
        from studio.lab.compare import compare, entrants, sheet_of

        asked = lease.job.payload
        contestants = entrants(asked["models"], asked["preset"])
        answers = []
        for number, answer in enumerate(compare(asked["prompt"], contestants, seed=asked["seed"]), start=1):
            lease.check()
            lease.emit("progress", done=number, total=len(contestants))
            answers.append(answer)
        if all(answer.image is None for answer in answers):
            refusals = "; ".join(f"{a.name}: {a.refusal}" for a in answers)
            raise fault("no-family", said=f"No family could answer: {refusals}")
        told = [
            {"name": a.name, "seconds": a.seconds, "num_parameters": a.num_parameters, "refusal": a.refusal}
            for a in answers
        ]
        return sheet_of(answers), told


def _samples(model: "Baseline", asked: Asked) -> "Sheet":
    from studio import lab

    return lab.samples(model, asked["label"], count=24, seed=asked["seed"], truncation=asked["truncation"])


def _truncation(model: "Baseline", asked: Asked) -> "Sheet":
    from studio import lab

    return lab.truncation_sweep(model, asked["label"], TRUNCATIONS, count=8, seed=asked["seed"])


def _interpolation(model: "Baseline", asked: Asked) -> "Sheet":
    from studio import lab

    seeds = asked["seed"], asked["seed"] + 1
    truncation = asked["truncation"]
    return lab.interpolation(model, asked["label"], asked["to_label"], seeds=seeds, steps=8, truncation=truncation)


def _mixing(model: "Baseline", asked: Asked) -> "Sheet":
    from studio import lab

    first = asked["seed"]
    return lab.style_mixing(
        model, asked["label"], rows=range(first, first + 4), columns=range(first + 4, first + 10), crossover=4,
        truncation=asked["truncation"],
    )  # fmt: skip


def _traversal(model: "Baseline", asked: Asked) -> "Sheet":
    from studio import lab

    return lab.traversal(model, dimensions=8, seed=asked["seed"], label=asked["label"])


EXPERIMENTS: "Mapping[str, Callable[[Baseline, Asked], Sheet]]" = {
    "samples": _samples,
    "truncation": _truncation,
    "interpolation": _interpolation,
    "mixing": _mixing,
    "traversal": _traversal,
}


def _load(name: str) -> "Baseline":
    from pipelines.baselines.registry import load_baseline

    return load_baseline(name)
