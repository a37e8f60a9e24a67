"""What a generator and a discriminator play for, and what keeps them from extremes: one equation each."""

from collections.abc import Iterable, Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Scores (B) of real and made pictures -> loss: real ones beyond 1, made ones below -1 (Lim and Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Scores (B) of made pictures -> loss."""
    return -fake.mean()


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Scores (B) of real and made pictures -> loss, their cross-entropy (Goodfellow et al. 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """Scores (B) of made pictures -> loss, the one that does not saturate."""
    return F.softplus(-fake).mean()


def likelihood(logits: Tensor, classes: Tensor, groups: Sequence[int]) -> Tensor:
    """Logits (B, num_classes) and the classes (B, num_classes), one of each group -> log-likelihood (B), a mean over groups.

    Groups of one class tell nothing.
    """
    if not groups:
        return logits.new_zeros(len(logits))
    pairs = zip(logits.split(list(groups), 1), classes.split(list(groups), 1), strict=True)
    terms = [(F.log_softmax(said, dim=1) * right).sum(dim=1) for said, right in pairs if right.shape[1] > 1]
    return torch.stack(terms).mean(dim=0) if terms else logits.new_zeros(len(logits))


def auxiliary(logits: Tensor, classes: Tensor, groups: Sequence[int]) -> Tensor:
    """Cross-entropy of `likelihood`: that pictures can be told to be what they were asked to be (Odena et al. 2017)."""
    return -likelihood(logits, classes, groups).mean()


def gradient_penalty(scores: Tensor, real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): scores (B) of real pictures (B, C, H, W), which want a gradient -> its mean square."""
    (gradient,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


class PathLength(nn.Module):
    """Keep the length of the way that a picture goes for a step of its style (Karras et al. 2020, section 3.2).

    The average length is remembered: each step moves it by `share` towards the batch's.
    """

    def __init__(self, share: float = 0.01) -> None:
        super().__init__()
        self.share = share
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images: Tensor, ws: Tensor) -> Tensor:
        """Pictures (B, C, H, W) of styles (B, num_ws, w_dim), which want a gradient -> the squared deviation."""
        noise = torch.randn_like(images) / sqrt(images.shape[2] * images.shape[3])
        (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
        mean = self.mean.lerp(lengths.detach().mean(), self.share)
        self.mean.copy_(mean)
        return (lengths - mean).square().mean()


def orthogonality(weights: Iterable[Tensor]) -> Tensor:
    """Sum of the squares off the diagonal of W W^T over weights (out, ...) (Brock et al. 2018, equation 3).

    The squares of W W^T add up to those of W^T W, so that the smaller of the two is enough; its diagonal is taken off.
    """
    terms = []
    for weight in weights:
        matrix = weight.flatten(1)
        gram = matrix @ matrix.mT if len(matrix) <= matrix.shape[1] else matrix.mT @ matrix
        terms.append(gram.square().sum() - matrix.square().sum(dim=1).square().sum())
    return torch.stack(terms).sum()
