"""Alt text: the any-to-any model says what media show, and its words become captions that full-text search finds.

from pipelines import AnyToAnyPipeline
pipe = AnyToAnyPipeline.from_pretrained("tiny")
for captioned in describe(library, pipe, [media_id], source="tiny"):
    print(captioned.text)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.library.library import Library

if TYPE_CHECKING:
    from pipelines.any_to_any import AnyToAnyPipeline

QUESTIONS: Mapping[str, str] = {
    "image": "describe this picture",
    "audio": "what do you hear?",
    "video": "what happens in this video?",
}


@dataclass(frozen=True)
class Captioned:
    """What a model said of a medium; empty if it said nothing, and then nothing is saved."""

    media: str
    text: str


def describe(
    library: Library,
    pipe: "AnyToAnyPipeline",
    media: Iterable[str],
    *,
    source: str,
    questions: Mapping[str, str] = QUESTIONS,
) -> Iterator[Captioned]:
    """Ask a model about media, one by one, and save each answer as a caption by `source`, in the place of its last one."""
    from encoders.files import read_media
    from encoders.media import Text
    from pipelines.conversation import Conversation
    from pipelines.options import GenerationOptions

    for media_id in media:
        item = library.get(media_id)
        shown = read_media(library.path(item.id))
        options = GenerationOptions(seed=0, modalities=frozenset())
        reply = Conversation(pipe).send((shown, Text(questions[item.modality])), options)
        text = reply.text.strip()
        with library.store.transaction() as database:
            query = "DELETE FROM texts WHERE media = ? AND kind = 'caption' AND source = ?"
            database.execute(query, (item.id, source))
            library.texts.add(item.id, "caption", text, source=source)
        yield Captioned(item.id, text)


def undescribed(library: Library, *, limit: int = 1000) -> list[str]:
    """Return media without a caption, the newest first."""
    query = (
        "SELECT id FROM media WHERE NOT EXISTS "
        "(SELECT 1 FROM texts WHERE texts.media = media.id AND kind = 'caption') ORDER BY created DESC, id LIMIT ?"
    )
    return [row["id"] for row in library.store.rows(query, limit)]
