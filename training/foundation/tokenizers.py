"""Small tokenizers over the world's words, in the formats that the stock pipelines expect."""

import json
import math
import random
import string
from collections import Counter
from collections.abc import Iterator

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5Tokenizer

from training.world.captions import caption
from training.world.scene import Kind
from training.world.split import draw

_LETTER_SCORE = -30.0  # log probability that keeps letters for words that are not in the list
CAPTION_LENGTH = 24  # tokens of a caption, marks included: the fixed length of the decoders' conditions


def captions(count: int, seed: int = 0) -> Iterator[str]:
    """Draw training captions of all kinds."""
    rng = random.Random(f"captions {seed}")
    kinds: tuple[Kind, ...] = ("one", "two", "video", "audio")
    for _ in range(count):
        kind = rng.choice(kinds)
        yield caption(draw(rng, kind, "train"), rng.getrandbits(31), kind=kind)


def caption_clip_tokenizer(vocab_size: int = 640) -> CLIPTokenizer:
    """Train CLIP's byte-level BPE on the world's captions; every byte is in it, so any text encodes."""
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
        min_frequency=20,
    )
    tokenizer.train_from_iterator(captions(20000), trainer)
    learned = tokenizer.get_vocab()
    pieces = alphabet + [letter + "</w>" for letter in alphabet]
    pieces += [piece for piece in sorted(learned, key=lambda piece: learned[piece]) if piece not in set(pieces)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    state = json.loads(tokenizer.to_str())
    merges = [tuple(pair) if not isinstance(pair, str) else tuple(pair.split(" ")) for pair in state["model"]["merges"]]
    return CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=merges,
        model_max_length=CAPTION_LENGTH,
        pad_token="<|endoftext|>",
    )


def t5_tokenizer() -> T5Tokenizer:
    """Build T5's unigram pieces from the words of the world's captions, each whole, and letters for any other word."""
    words = Counter(word for text in captions(20000) for word in text.replace(",", " ,").split())
    total = words.total()
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{word}", math.log(number / total)) for word, number in words.most_common()]
    known = {piece for piece, _ in pieces}
    pieces += [(letter, _LETTER_SCORE) for letter in ["▁", *string.printable.strip()] if letter not in known]
    return T5Tokenizer(vocab=pieces, extra_ids=0)
