"""Files of tensors: whole or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from ferdis.training import checkpoints


def test_tensors_and_numbers_come_back(tmp_path: Path):
    shared = torch.arange(6.0)
    image = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    tensors = {"a": shared, "tied": shared[2:], "image": image, "n": torch.tensor(3, dtype=torch.int64)}
    numbers = {"x": 0.1, "list": [1, None, "é"], "inf": -float("inf")}
    checkpoints.save_tensors(tmp_path / "new" / "file.safetensors", tensors, numbers)
    loaded, again = checkpoints.load_tensors(tmp_path / "new" / "file.safetensors")
    assert again == numbers and loaded.keys() == tensors.keys()
    assert all(
        torch.equal(loaded[name], tensors[name]) and loaded[name].dtype == tensors[name].dtype for name in loaded
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.safetensors"]


@pytest.mark.parametrize("error", [SafetensorError("I/O error: No space left on device"), OSError(28, "No space left")])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception):
    path = tmp_path / "file.safetensors"
    checkpoints.save_tensors(path, {"a": torch.ones(3)})

    def full(tensors: dict, partial: Path, metadata: dict) -> None:
        Path(partial).write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match=r"file\.safetensors: the disk is full; free some space") as caught:
        checkpoints.save_tensors(path, {"a": torch.zeros(3)})
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == [path]
    assert torch.equal(checkpoints.load_tensors(path)[0]["a"], torch.ones(3))


def test_missing_and_damaged_files(tmp_path: Path):
    path = tmp_path / "file.safetensors"
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*file"):
        checkpoints.load_tensors(path)
    checkpoints.save_tensors(path, {"a": torch.ones(300)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"file\.safetensors is damaged"):
        checkpoints.load_tensors(path)
    path.write_bytes(b"\x80\x04 no tensors here")
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        checkpoints.load_tensors(path)


def test_modules_in_and_out(tmp_path: Path):
    def build() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    one, other, fresh = build(), build(), build()
    one(torch.rand(4, 3))
    checkpoints.save_modules(tmp_path / "w", {"one": one, "other": other}, {"epoch": 3})
    assert checkpoints.load_modules(tmp_path / "w", {"one": fresh}) == {"epoch": 3}
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), fresh.state_dict().values(), strict=True))
    with pytest.raises(
        ValueError, match=r"w does not fit this model: one\.0\.weight is \(2, 3\) there and \(2, 4\) here"
    ):
        checkpoints.load_modules(tmp_path / "w", {"one": nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))})
    with pytest.raises(ValueError, match=r"one\.1\.bias is \(2,\) there and absent here"):
        checkpoints.load_modules(tmp_path / "w", {"one": nn.Sequential(nn.Linear(3, 2))})


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), amsgrad=True),
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.AdamW([{"params": [q], "lr": 0.1 * (i + 1)} for i, q in enumerate(p)]),
        lambda p: torch.optim.RMSprop(p, lr=0.1, centered=True),
    ],
)
def test_an_optimiser_goes_on_where_it_was(tmp_path: Path, optimizer):
    def step(parameters: list[nn.Parameter], steps: torch.optim.Optimizer) -> None:
        for parameter in parameters:
            parameter.grad = parameter.detach().cos()
        steps.step()

    one = [nn.Parameter(torch.rand(3)), nn.Parameter(torch.rand(2, 2))]
    first = optimizer(one)
    for _ in range(3):
        step(one, first)
    first.param_groups[0]["lr"] *= 0.5  # as a schedule does
    tensors, rest = checkpoints.optimizer_state(first, "optimizer/d/")
    checkpoints.save_tensors(tmp_path / "o", tensors, rest)
    two = [nn.Parameter(parameter.detach().clone()) for parameter in one]
    second = optimizer(two)
    checkpoints.put_optimizer_state(second, "optimizer/d/", *checkpoints.load_tensors(tmp_path / "o"))
    for _ in range(2):
        step(one, first)
        step(two, second)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert second.param_groups[0].get("betas") == first.param_groups[0].get("betas")


class Counting(torch.optim.SGD):
    """Takes every second step, by a count of its own that is no tensor."""

    def step(self, closure=None):  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["count"] = state.get("count", 0) + 1
                if state["count"] % 2:
                    parameter.data -= group["lr"] * parameter.grad


def test_numbers_in_an_optimisers_state_come_back(tmp_path: Path):
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    first, second = Counting([parameter], lr=1.0), Counting([parameter], lr=1.0)
    first.step()
    checkpoints.save_tensors(tmp_path / "o", *checkpoints.optimizer_state(first, "optimizer/d/"))
    checkpoints.put_optimizer_state(second, "optimizer/d/", *checkpoints.load_tensors(tmp_path / "o"))
    assert second.state[parameter]["count"] == 1
    for _ in range(2):
        second.step()
    assert parameter.tolist() == [-2.0, -2.0]


def test_an_optimisers_state_has_the_layout_of_its_parameters(tmp_path: Path):
    """In a file all tensors are contiguous; the fused Adam takes parameter and moments in the order of their memory."""

    def weight(layout):
        values = torch.arange(120.0).reshape(2, 3, 4, 5).cos()
        return nn.Parameter(values.contiguous(memory_format=layout))

    def step(parameter, optimizer, seed):
        values = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
        parameter.grad = torch.empty_like(parameter).copy_(values)
        optimizer.step()

    last = []
    for layout in (torch.contiguous_format, torch.channels_last):
        whole = weight(layout)
        first = torch.optim.Adam([whole], lr=0.1, fused=True)
        step(whole, first, 1)
        tensors, rest = checkpoints.optimizer_state(first, "optimizer/d/")
        checkpoints.save_tensors(tmp_path / "o", tensors, rest)
        resumed = weight(layout)
        resumed.data.copy_(whole.data)
        second = torch.optim.Adam([resumed], lr=0.1, fused=True)
        checkpoints.put_optimizer_state(second, "optimizer/d/", *checkpoints.load_tensors(tmp_path / "o"))
        step(whole, first, 2)
        step(resumed, second, 2)
        assert torch.equal(whole, resumed)
        last.append(resumed.detach())
    assert torch.equal(*last)


def test_first_non_finite():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert checkpoints.first_non_finite({"m": module}) is None
    module[1].running_var[1] = torch.inf
    assert checkpoints.first_non_finite({"a": nn.ReLU(), "m": module}) == "m.1.running_var"
    module[0].weight.data[0, 1] = torch.nan
    assert checkpoints.first_non_finite({"m": module}) == "m.0.weight", "the first of two"
