"""The flow before a VAE's latents: there and back, its stretching, and the VAE that has one."""

import pytest
import torch
from torch import Tensor

from encoders.media import Image
from pipelines.baselines.latent_flow import LatentFlow
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork

TOLD = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


@pytest.fixture
def flow() -> LatentFlow:
    torch.manual_seed(0)
    return at_random(LatentFlow(5, 3, num_layers=4))


def at_random(flow: LatentFlow) -> LatentFlow:
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return flow.eval().requires_grad_(False)


def test_a_new_flow_changes_nothing() -> None:
    latents = torch.randn(2, 5)
    assert torch.equal(LatentFlow(5, 3, num_layers=4)(latents, TOLD), latents)
    assert torch.equal(LatentFlow(5, 3, num_layers=0)(latents, TOLD), latents)


def test_the_way_back_is_the_inverse(flow: LatentFlow) -> None:
    latents = torch.randn(2, 5)
    there = flow(latents, TOLD)
    assert not torch.allclose(there, latents, atol=0.1)
    torch.testing.assert_close(flow.inverse(there, TOLD)[0], latents, rtol=1e-4, atol=1e-5)


def test_it_stretches_as_its_jacobian_says(flow: LatentFlow) -> None:
    latents = torch.randn(1, 5)

    def back(z: Tensor) -> Tensor:
        return flow.inverse(z[None], TOLD[:1])[0][0]

    jacobian = torch.autograd.functional.jacobian(back, latents[0])
    torch.testing.assert_close(flow.inverse(latents, TOLD[:1])[1][0], torch.linalg.slogdet(jacobian)[1])


def test_the_classes_decide_where_latents_go(flow: LatentFlow) -> None:
    latents = torch.randn(1, 5).expand(2, -1)
    first, second = flow(latents, TOLD)
    assert not torch.allclose(first, second, atol=1e-3)


def test_a_vae_with_a_flow_brings_back_what_one_without_does() -> None:
    torch.manual_seed(0)
    network = VAENetwork(VAEConfig((8, 16), z_dim=6, num_classes=2, labels=("bell", "boat"), flow_layers=4))
    picture = Image(torch.rand(3, 16, 16))
    plain = VAE(network).reconstruct([picture], "boat")[0]
    before = VAE(network).sample(1, "boat", generator=torch.Generator().manual_seed(0)).images[0]
    at_random(network.flow)
    torch.testing.assert_close(
        VAE(network).reconstruct([picture], "boat")[0].pixels, plain.pixels, rtol=1e-4, atol=1e-4
    )
    after = VAE(network).sample(1, "boat", generator=torch.Generator().manual_seed(0)).images[0]
    assert not torch.equal(after.pixels, before.pixels)


def test_a_flow_wants_two_dimensions() -> None:
    with pytest.raises(ValueError, match="latents of 2 dimensions or more"):
        VAEConfig((8, 16), z_dim=1, flow_layers=4)
