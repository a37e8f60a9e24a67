"""The worker's part of the creating page: media made directly by a decoder, one after another, and made again."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.comparison import Verdict, compare
from studio.conversation.reply import PREVIEW_EVERY, encode_png
from studio.creation import Creation, Wish, from_payload, read_creation
from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Lease
from studio.jobs.worker import JobKind
from studio.media_store import MediaStore, StoredMedia
from studio.models.in_memory import Model, OneModel
from studio.replay import ReplayReport
from studio.store import Store

if TYPE_CHECKING:
    from encoders.media import Image, Media
    from pipelines.decoders.base import DecodeStep


class Creator:
    """Makes media with the decoders of a model; `replay_reply` makes again what was part of a conversation."""

    def __init__(self, store: Store, *, models: OneModel, replay_reply: JobKind) -> None:
        self._media = MediaStore(store)
        self._models = models
        self._replay_reply = replay_reply

    def kinds(self) -> Mapping[str, JobKind]:
        return {"create": self.create, "replay": self.replay}

    def create(self, lease: Lease) -> None:
        """Make every cell of `payload["grid"]`, from the picture in `payload["upload"]` if one was added.

        What is finished is kept, whatever happens next.
        """
        started = time.monotonic()
        start = self._take_in(lease.job.payload.get("upload"))
        model = self._load(lease.job.payload["preset"], lease)
        rows: list[list[str]] = []
        slot = 0
        for wishes in from_payload(lease.job.payload):
            rows.append([])
            for wish in wishes:
                wish = wish if start is None else replace(wish, start=start)
                rows[-1].append(self._make(lease, model, wish, slot=slot).id)
                slot += 1
        lease.finish({"rows": rows, "start": start, "seconds": time.monotonic() - started})

    def replay(self, lease: Lease) -> None:
        """Make a file again from its recipe and compare: a reply's by its conversation, a creation by its decoder."""
        from encoders.files import read_media
        from pipelines.presets import PRESETS

        file = Path(lease.job.payload["path"])
        creation = read_creation(file) if file.is_file() else None
        if creation is None:
            self._replay_reply(lease)
            return
        preset = lease.job.payload["preset"] or creation.preset
        if lease.job.payload["preset"] is None and preset not in PRESETS:
            raise StudioError(
                f"{file.name} was made with {preset!r}, which is not one of this program's presets. "
                "If you trust it, name it: studio replay FILE --preset NAME"
            )
        model = self._load(preset, lease)
        stored = self._make(lease, model, creation.wish, slot=0)
        before = read_media(file)
        comparison = compare(before, read_media(self._media.path(stored.id)))
        differences = list(creation.environment.differences(model.environment))
        if creation.preset_hash != model.preset_hash:
            differences.insert(0, f"the preset {creation.preset} has other weights")
        report = ReplayReport(
            file=file.name, modality=before.modality.value, verdict=Verdict(comparison.verdict),
            largest=comparison.largest, mean=comparison.mean, reason=comparison.reason, differences=tuple(differences),
        )  # fmt: skip
        lease.finish({"report": report.to_dict(), "content": [{"type": stored.modality, "media": stored.id}]})

    def _load(self, preset: str, lease: Lease) -> Model:
        if not self._models.holds(preset):
            lease.emit("loading", preset=preset)
            self._models.get(preset)
            lease.emit("ready")
        return self._models.get(preset)

    def _make(self, lease: Lease, model: Model, wish: Wish, *, slot: int) -> StoredMedia:
        from encoders.modality import Modality
        from pipelines.decoders.base import DecodeOptions

        lease.check()
        decoder = model.pipe.decoders.get(Modality(wish.modality))
        if decoder is None:
            able = ", ".join(modality.value for modality in model.pipe.decoders) or "text only"
            raise fault("no-decoder", preset=model.preset, modality=wish.modality, able=able)
        options = DecodeOptions(wish.steps, wish.guidance, wish.seed, 1, PREVIEW_EVERY)
        if wish.start is not None:
            options = replace(options, start=self._picture(wish.start))
        if wish.strength is not None:
            options = replace(options, strength=wish.strength)
        num_steps = wish.steps or decoder.config.num_inference_steps
        place = {"part": slot, "sample": 0, "slot": slot}
        lease.emit("media_started", **place, modality=wish.modality, num_steps=num_steps)

        def hear(step: "DecodeStep") -> None:
            lease.check()
            if step.preview is not None:
                lease.show_preview(slot, encode_png(step.preview))
            lease.emit("media_step", **place, step=step.step, num_steps=step.num_steps)

        (made,) = decoder.decode(decoder.condition([wish.prompt]), options, hear)
        stored = self._keep(made, Creation(wish, model.preset, model.preset_hash, model.environment))
        lease.emit("media_done", **place, modality=stored.modality, media=stored.id)
        return stored

    def _take_in(self, upload: Mapping[str, str] | None) -> str | None:
        """Keep an uploaded picture as a medium of the studio; return its id."""
        from encoders.files import MediaError, read_media
        from encoders.media import Image

        if upload is None:
            return None
        path = self._media.upload_path(upload["upload"])
        try:
            content = read_media(path)
        except MediaError as error:
            said = str(error).replace(path.name, upload["name"])
            raise fault("unreadable", said=said, name=upload["name"]) from error
        if not isinstance(content, Image):
            raise fault("no-picture", name=upload["name"])
        return self._media.add(content)[0].id

    def _picture(self, media_id: str) -> "Image":
        """Return the picture that a wish begins with."""
        from encoders.files import read_media
        from encoders.media import Image

        try:
            content = read_media(self._media.path(media_id))
        except StudioError as error:
            raise fault("beginning-gone") from error
        if not isinstance(content, Image):
            raise StudioError("What is made begins with a picture, not with a sound or a video.")
        return content

    def _keep(self, made: "Media", creation: Creation) -> StoredMedia:
        stored, _ = self._media.add(made, metadata=creation.metadata())
        with self._media.store.transaction() as database:
            database.execute(
                "INSERT INTO recipes VALUES (?, ?, ?) ON CONFLICT (media) DO NOTHING",
                (stored.id, creation.to_json(), time.time()),
            )
        return stored
