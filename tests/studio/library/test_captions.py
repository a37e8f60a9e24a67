"""Alt text: a model is asked about media, and what it says is found by words."""

import numpy as np

from encoders.media import Audio, Image
from studio.library.captions import describe, undescribed
from studio.library.library import Library
from studio.models.in_memory import Model
from studio.store import Store


def test_a_model_describes_media_once_each_and_again_when_asked(store: Store, model: Model) -> None:
    library = Library(store)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    image, _ = library.media.add(Image.from_uint8(pixels))
    sound, _ = library.media.add(Audio.from_numpy(np.sin(np.arange(4000) / 9).astype(np.float32), 8000))
    library.texts.add(sound.id, "caption", "mine", source="person")
    assert undescribed(library) == [image.id]
    told = {one.media: one.text for one in describe(library, model.pipe, [image.id, sound.id[:10]], source="random")}
    assert told.keys() == {image.id, sound.id}
    for _ in range(2):
        for media_id, text in told.items():
            saved = [one.text for one in library.texts.of(media_id) if one.source == "random"]
            assert saved == [text.strip()] * bool(text.strip())
        again = {one.media: one.text for one in describe(library, model.pipe, told, source="random")}
        assert again == told
    assert "mine" in [one.text for one in library.texts.of(sound.id)]
