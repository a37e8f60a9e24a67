"""Fit what latents are drawn from to those a trained VAE has (after Ghosh et al. 2020): a normal distribution, and a flow."""

import torch
from torch import Tensor

from pipelines.baselines.vae_model import VAENetwork
from training.baselines.pictures import PicturePool, signed

FITTED, UNTOLD_EVERY = 4096, 10  # pictures by which they are calibrated, and which of these without their classes
LEAST_SPREAD = 1e-4  # of the latents in any direction, so that none is stretched without bounds
CHUNK = 256  # pictures that are encoded at once
FLOW_BATCH, FLOW_RATE = 256, 1e-3


@torch.no_grad()
def calibrate(network: VAENetwork, pool: PicturePool) -> None:
    """Shift, scale and turn the latents so that those of a class's pictures are standard normal, as they are drawn.

    In training they are so only about, and lean on the classes; drawn from the plain normal distribution they then belong
    to pictures of other classes, or of none. A normal distribution whose mean is linear in the classes (Sohn et al. 2015
    learn such a prior) is fitted to what is encoded (afterwards, as Ghosh et al. 2020) and folded into the two linear
    layers beside the latents: what comes back of a picture stays the same. The turn is the least there is (Kessy et al.
    2018, "ZCA"), so that dimensions keep their meaning. Of the posterior's variances the mean over pictures is kept.
    """
    network.eval()
    last, first, width = network.encoder.last, network.decoder.first, network.config.z_dim
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))[:FITTED]
    classes = pool.classes[chosen].to(last.weight.device)
    told = torch.arange(len(classes), device=classes.device)[:, None] % UNTOLD_EVERY != 0
    classes = classes * told
    means, variances = (each.double() for each in posteriors(network, pool, chosen, classes))
    known = torch.cat([classes.double(), torch.ones_like(means[:, :1])], dim=1)
    fitted = torch.linalg.lstsq(known.cpu(), means.cpu(), driver="gelsd").solution.to(means.device)
    shift, offset = fitted[:-1].T, fitted[-1]  # (width, classes), (width,)
    spread, axes = torch.linalg.eigh((means - known @ fitted).T.cov() + variances.mean(dim=0).diag())
    turn = (axes * spread.clamp(min=LEAST_SPREAD).sqrt()) @ axes.T
    back = turn.inverse()
    weight, bias = last.weight.double(), last.bias.double()
    ahead = weight[:width].clone()
    ahead[:, ahead.shape[1] - shift.shape[1] :] -= shift
    last.weight.copy_(torch.cat([back @ ahead, torch.zeros_like(ahead)]))
    kept = (back.square() @ variances.mean(dim=0)).log()
    last.bias.copy_(torch.cat([back @ (bias[:width] - offset), kept]))
    weight, bias = first.weight.double(), first.bias.double()
    seen, asked = weight[:, :width], weight[:, width:]
    first.weight.copy_(torch.cat([seen @ turn, asked + seen @ shift], dim=1))
    first.bias.copy_(bias + seen @ offset)


def fit_flow(network: VAENetwork, pool: PicturePool, steps: int, *, seed: int = 0) -> None:
    """Teach the network's flow to make the pool's latents likely; a pure function of the arguments. 0 steps: none."""
    if not network.config.flow_layers or not steps:
        return
    flow, source = network.flow, torch.Generator().manual_seed(seed)
    device = network.latent_kl.device
    everything = torch.arange(len(pool))
    classes = pool.classes.to(device)
    means, variances = posteriors(network, pool, everything, classes)
    untold, _ = posteriors(network, pool, everything, torch.zeros_like(classes))
    deviations = variances.mean(dim=0).sqrt()
    optimizer = torch.optim.AdamW(flow.parameters(), lr=FLOW_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, FLOW_RATE, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(means), (FLOW_BATCH,), generator=source)
        told = (torch.rand(FLOW_BATCH, 1, generator=source) >= 1 / UNTOLD_EVERY).to(device)
        noise = deviations * torch.randn(FLOW_BATCH, means.shape[1], generator=source).to(device)
        latents = torch.where(told, means[chosen], untold[chosen]) + noise
        normal, stretched = flow.inverse(latents, classes[chosen] * told)
        loss = (normal.square().sum(dim=1) / 2 - stretched).mean() / means.shape[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def posteriors(network: VAENetwork, pool: PicturePool, chosen: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Of the chosen pictures (N), told these classes (N, num_classes): means (N, z_dim), variances (N, z_dim)."""
    network.eval()
    passes = [
        network.encoder(signed(pool.pixels[places.numpy()]).to(told.device), told)
        for places, told in zip(chosen.split(CHUNK), classes.split(CHUNK), strict=True)
    ]
    return torch.cat([mean for mean, _ in passes]), torch.cat([log_variance.exp() for _, log_variance in passes])
