"""Several processes train as one: what they exchange. In a single process everything here is the identity."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import Parameter


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many train together: (0, 1) outside distributed training."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def rank_and_world_of_launch() -> tuple[int, int]:
    """This process's number and how many a launcher has started, before they have met: (0, 1) for a process alone.

    Known are ``torchrun``, ``srun`` with several tasks, and the processes that Fabric starts for ``devices=2``.
    """
    known = os.environ
    if int(known.get("WORLD_SIZE", 1)) > 1:
        return int(known.get("RANK", known.get("LOCAL_RANK", 0))), int(known["WORLD_SIZE"])
    if _srun_tasks() > 1:
        return int(known["SLURM_PROCID"]), _srun_tasks()
    return 0, 1


def devices_and_nodes(devices: int, num_nodes: int) -> tuple[int, int]:
    """Devices of a node and nodes, as a launcher's process counts have them; without one, what was asked for."""
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if _srun_tasks() > 1:
        nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", os.environ.get("SLURM_NNODES", 1)))
        return _srun_tasks() // nodes, nodes
    return devices, num_nodes


def _srun_tasks() -> int:
    """Processes that ``srun`` has started; 1 in a batch script, and where Fabric does not look for SLURM either."""
    if os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive"):
        return 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def meet() -> None:
    """Wait until all processes that train together are here; nothing in a process alone."""
    if rank_and_world()[1] > 1:
        torch.distributed.barrier()


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, as a new tensor; the tensor itself in a single process."""
    if rank_and_world()[1] == 1:
        return tensor
    total = tensor.clone()
    torch.distributed.all_reduce(total)
    return total


def average_gradients(parameters: Sequence[Parameter], rows: int) -> None:
    """Gradients of the global batch: each process weighs by its rows; one all-reduce."""
    for parameter in parameters:  # a parameter another process reached needs a place here
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), gradients[0].new_ones(1)]) * rows
    torch.distributed.all_reduce(flat)
    flat = flat[:-1] / flat[-1]
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average_statistics(modules: Iterable[nn.Module]) -> None:
    """Give all processes the mean of their batch-norm statistics, which drift apart; frozen modules are left alone."""
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training:
                for buffer in layer.buffers():
                    if buffer.is_floating_point():
                        buffer.copy_(all_reduce_sum(buffer) / rank_and_world()[1])
