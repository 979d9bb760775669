"""EGGAN's penalty, its MS-SSIM and the maps of its perceptual loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from ferdis.nn import IMAGENET_MEAN, IMAGENET_STD
from ferdis.systems.eggan import VGG19Features, gradient_penalty, ms_ssim


def test_ms_ssim_is_its_formula():
    """One scale at a time with SciPy's own filter, on images of every number of scales."""
    from scipy.ndimage import correlate1d

    window = np.exp(-((np.arange(7) - 3) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(x):
        return correlate1d(correlate1d(x, window, axis=-1), window, axis=-2)[..., 3:-3, 3:-3]

    random = np.random.default_rng(0)
    for size, scales in ((32, 1), (64, 3), (128, 5)):
        a = random.random((2, 3, size, size))
        b = np.clip(a + random.normal(0, 0.2, a.shape), 0, 1)
        weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
        expected, x, y = np.ones(2), a, b
        for scale, weight in enumerate(weights / weights.sum()):
            mx, my = blur(x), blur(y)
            vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
            term = (2 * cov + 9e-4) / (vx + vy + 9e-4)
            if scale == scales - 1:
                term = term * (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
            expected *= np.maximum(term.mean((1, 2, 3)), 1e-4) ** weight
            x, y = (z.reshape(2, 3, z.shape[2] // 2, 2, -1, 2).mean((3, 5)) for z in (x, y))
        found = ms_ssim(torch.from_numpy(a), torch.from_numpy(b))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8)
        np.testing.assert_allclose(ms_ssim(torch.from_numpy(a), torch.from_numpy(a)).numpy(), 1, rtol=1e-10)


def test_ms_ssim_keeps_a_gradient_where_a_scale_is_negative():
    a = torch.rand(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    b = (1 - a).requires_grad_()
    value = ms_ssim(a, b)
    value.backward()
    assert 0 < value.item() < 0.1 and b.grad.isfinite().all()
    near = (0.9 * a[..., :16, :16] + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ms_ssim(a[..., :16, :16], x), (near,), nondet_tol=1e-12)


def test_gradient_penalty_by_hand_and_at_its_limits():
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    images = torch.rand(5, 2, 1, 1, dtype=torch.float64)
    # a linear critic has the gradient (3, 4) everywhere: (5 - 1)^2
    assert gradient_penalty(lambda x: (weight * x).sum((1, 2, 3)), images).item() == pytest.approx(16)
    assert gradient_penalty(lambda x: (weight / 5 * x).sum((1, 2, 3)), images).item() == pytest.approx(0, abs=1e-10)
    flat = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: (flat.reshape(1, 2, 1, 1) * x).sum((1, 2, 3)), images)
    penalty.backward()
    assert penalty.item() == pytest.approx(1, abs=1e-5) and flat.grad.isfinite().all()  # a critic that starts at zero


def test_gradient_penalty_is_transcribed_and_reaches_the_critic():
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(16, 1))
    critic = critic.double()
    images = torch.rand(3, 3, 4, 4, dtype=torch.float64)
    norms = []
    for image in images:
        point = image[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(point)[0, 0], point)
        norms.append(gradient.norm())
    value = gradient_penalty(lambda x: critic(x)[:, 0], images)
    torch.testing.assert_close(value, sum((norm - 1) ** 2 for norm in norms) / 3)
    parameter = critic[3].weight

    def penalty(weight):
        return gradient_penalty(lambda x: torch.func.functional_call(critic, {"3.weight": weight}, (x,))[:, 0], images)

    assert torch.autograd.gradcheck(penalty, (parameter.detach().clone().requires_grad_(),))


@pytest.fixture
def vgg19() -> nn.Sequential:
    """VGG19's convolutions alone, as torchvision has them: those behind would be 120 million random numbers."""
    return make_layers(cfgs["E"])


def vgg19_file(vgg19: nn.Sequential, path: Path, layers: int, **more: torch.Tensor) -> str:
    tensors = {f"features.{name}": part for name, part in vgg19[:layers].state_dict().items()}
    save_file({**tensors, **more}, path)
    return str(path)


@pytest.mark.parametrize(
    ("layer", "convolutions", "shape"),
    [("relu1_1", 1, (64, 32)), ("relu2_1", 3, (128, 16)), ("relu3_4", 8, (256, 8)), ("relu5_4", 16, (512, 2))],
)
def test_vgg19_up_to_a_layer(
    vgg19: nn.Sequential, layer: str, convolutions: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    head = {"classifier.6.bias": torch.zeros(1000)}  # torchvision's name; what lies behind the layer is not needed
    network = VGG19Features(layer, vgg19_file(vgg19, tmp_path / "vgg19.safetensors", 36, **head))
    assert sum(isinstance(m, nn.Conv2d) for m in network.layers) == convolutions
    assert isinstance(network.layers[-1], nn.ReLU)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    out = network(images)
    assert out.shape == (1, shape[0], shape[1], shape[1])
    unit = ((images + 1) / 2 - torch.tensor(IMAGENET_MEAN).reshape(-1, 1, 1)) / torch.tensor(IMAGENET_STD).reshape(
        -1, 1, 1
    )
    torch.testing.assert_close(out, vgg19[: len(network.layers)](unit))


def test_vgg19_may_end_after_its_layer(vgg19: nn.Sequential, tmp_path: Path) -> None:
    file = vgg19_file(vgg19, tmp_path / "vgg19.safetensors", 7)
    found = VGG19Features("relu2_1", file)
    torch.testing.assert_close(found.layers[5].weight, vgg19[5].weight)
    with pytest.raises(
        ValueError,
        match=r"does not fit VGG19's first 9 layers: features\.7\.weight is missing; features\.7\.bias is missing$",
    ):
        VGG19Features("relu2_2", file)
    save_file({f"perceptual.layers.{name}": part for name, part in found.layers.state_dict().items()}, file)
    torch.testing.assert_close(VGG19Features("relu2_1", file).layers[2].weight, vgg19[2].weight)


@pytest.mark.parametrize("more", [{"foo.weight": torch.zeros(3)}, {"features.2.weight": torch.zeros(64, 3, 3, 3)}])
def test_another_file_is_not_taken_for_vgg19(vgg19: nn.Sequential, tmp_path: Path, more: dict) -> None:
    with pytest.raises(
        ValueError, match=r"does not fit VGG19.*: (foo.weight is not part of it|features.2.weight is 64x3x3x3)"
    ):
        VGG19Features("relu2_1", vgg19_file(vgg19, tmp_path / "vgg19.safetensors", 7, **more))
    save_file({"foo.weight": torch.zeros(3)}, tmp_path / "foo.safetensors")
    with pytest.raises(
        ValueError,
        match=r"s\.0\.weight is missing; features\.0\.bias is missing; features\.2\.weight is missing and 4 more$",
    ):
        VGG19Features("relu2_1", str(tmp_path / "foo.safetensors"))


def test_random_vgg19_has_its_layers_alone() -> None:
    network = VGG19Features("relu2_1", None)
    assert sum(part.numel() for part in network.parameters()) == 112_576
    assert network.layers[2].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


def test_vgg19_has_no_such_layer(vgg19: nn.Sequential) -> None:
    with pytest.raises(ValueError, match=r"no layer 'relu2_3': choose one of relu1_1, "):
        VGG19Features("relu2_3", None)
