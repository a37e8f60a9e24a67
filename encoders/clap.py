"""Text and sounds into one space with CLAP, in transformers' own folder format (Wu et al. 2022, arXiv 2211.06687)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torchaudio.functional
from einops import reduce
from torch import Tensor
from torch.nn import functional as F

from encoders.base import Features, batch_modality
from encoders.json_file import read_json
from encoders.media import Audio, Media, Text
from encoders.modality import Modality
from encoders.safe_folder import check_plain
from encoders.weights import check_report

MAX_WINDOWS = 6  # of ten seconds each, by the published models' configs: a minute is heard whole


class CLAPEncoder:
    """A CLAP with its feature extractor and its tokenizer. `encode` runs item by item, so that no batch changes a result.

    A sound's tokens are the last feature map, its frequencies averaged: one for each third of a second or so. A sound
    longer than the model's window is heard in evenly spaced windows, and their features are averaged: unlike the stock
    extractor, which cuts a random piece, this gives the same each time. Text has no tokens, only a pooled vector.
    """

    modalities = frozenset({Modality.TEXT, Modality.AUDIO})

    def __init__(self, model: Any, extractor: Any, tokenizer: Any, *, device: torch.device | str = "cpu") -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        self._extractor = extractor
        self._tokenizer = tokenizer
        silence = Audio(torch.zeros(1, extractor.sampling_rate), extractor.sampling_rate)
        blank = self._audio_features(silence)
        self.width = blank.tokens.shape[-1]
        self.pooled_width = blank.pooled.shape[-1]
        self.num_tokens: Mapping[Modality, int] = {Modality.TEXT: 0, Modality.AUDIO: blank.tokens.shape[1]}

    @classmethod
    def from_folder(
        cls, folder: Path | str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> "CLAPEncoder":
        """Load a folder with safetensors. Raises ValueError if it holds another model, or weights that do not fit."""
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        folder = Path(folder)
        config = read_json(folder / "config.json")
        if config.get("model_type") != "clap":
            raise ValueError(f"{folder / 'config.json'} describes a {config.get('model_type')!r}; wanted a 'clap'.")
        check_plain(folder)
        try:
            model, report = ClapModel.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            extractor = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"The CLAP in {folder} cannot be loaded: {error}") from error
        check_report(report, f"The CLAP in {folder}")
        return cls(model, extractor, tokenizer, device=device)

    def encode(self, batch: Sequence[Media]) -> Features:
        """Encode a batch of one modality: tokens (B, num_tokens, width), pooled (B, D) of unit norm."""
        batch_modality(batch, self.modalities)
        items = [self._one(media) for media in batch]
        return Features(torch.cat([item.tokens for item in items]), torch.cat([item.pooled for item in items]))

    def _one(self, media: Media) -> Features:
        if isinstance(media, Text):
            return self._text_features(media.text)
        assert isinstance(media, Audio)
        return self._audio_features(media)

    @torch.no_grad()
    def _audio_features(self, audio: Audio) -> Features:
        rate = self._extractor.sampling_rate
        waveform = torchaudio.functional.resample(audio.waveform.mean(dim=0), audio.rate, rate)
        tokens, pooled = [], []
        for window in windows(waveform, self._extractor.nb_max_samples):
            inputs = self._extractor(window.numpy(), sampling_rate=rate, return_tensors="pt").to(self.device)
            inputs["input_features"] = inputs["input_features"].to(self.model.dtype)
            output = self.model.audio_model(**inputs)
            tokens.append(reduce(output.last_hidden_state.float(), "b c f t -> b t c", "mean"))
            pooled.append(F.normalize(self.model.audio_projection(output.pooler_output).float(), dim=-1))
        return Features(torch.stack(tokens).mean(dim=0), F.normalize(torch.stack(pooled).mean(dim=0), dim=-1))

    @torch.no_grad()
    def _text_features(self, text: str) -> Features:
        """One text -> no tokens, and a pooled vector (1, D)."""
        config = self.model.config.text_config
        limit = config.max_position_embeddings - config.pad_token_id - 1  # RoBERTa counts from behind its padding token
        inputs = self._tokenizer(
            text, return_tensors="pt", truncation=True, max_length=limit, split_special_tokens=True
        ).to(self.device)
        output = self.model.text_model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        pooled = F.normalize(self.model.text_projection(output.pooler_output).float(), dim=-1)
        return Features(pooled.new_zeros(1, 0, self.width), pooled)


def windows(waveform: Tensor, length: int) -> list[Tensor]:
    """Cut (T) into evenly spaced windows of at most `length` samples, from the first to the last sample."""
    count = min(MAX_WINDOWS, -(-len(waveform) // length))
    if count <= 1:
        return [waveform]
    starts = [round(index * (len(waveform) - length) / (count - 1)) for index in range(count)]
    return [waveform[start : start + length] for start in starts]
