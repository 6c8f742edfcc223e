"""Expected number of nodes of a random tree, differentiable in the probabilities of the branch points."""

from __future__ import annotations

import torch
from torch import Tensor


def expected_nodes(
    probabilities: Tensor, generator: torch.Generator | None = None, *, exact_tasks: int = 12, samples: int = 64
) -> Tensor:
    """Expected number of groups after every branch point, shape (P,).

    Tasks choose independently; two share a group if they chose alike at all branch points so far. Exact by
    inclusion-exclusion over the non-empty sets S of tasks:

        E[N_l] = sum_S (-1)^(|S| + 1) * prod_{k <= l} sum_a prod_{t in S} p_t^k(a)

    Above ``exact_tasks`` tasks, where 2^T sets are too many, the mean over ``samples`` drawn trees, with the
    straight-through gradient of their one-hot choices.

    Args:
        probabilities: (P, T, labels), rows sum to 1.
        generator: of the draws; needed above ``exact_tasks`` tasks.
    """
    tasks = probabilities.shape[1]
    return _exact(probabilities) if tasks <= exact_tasks else _sampled(probabilities, generator, samples)


def _exact(p: Tensor) -> Tensor:
    # Products over subsets by doubling: after task t, rows are all subsets of tasks 0..t.
    subsets = torch.ones_like(p[:, :1, :])  # (P, 1, labels): the empty set
    sign = -torch.ones(1, dtype=p.dtype, device=p.device)
    for task in range(p.shape[1]):
        subsets = torch.cat([subsets, subsets * p[:, task : task + 1]], 1)
        sign = torch.cat([sign, -sign])
    alike = subsets[:, 1:].sum(-1).cumprod(0)  # (P, 2^T - 1): all tasks of S still together
    return (alike * sign[1:]).sum(-1)


def _sampled(p: Tensor, generator: torch.Generator | None, samples: int) -> Tensor:
    uniform = torch.rand((samples, *p.shape), generator=generator).to(p.device).clamp_(1e-10, 1 - 1e-7)
    soft = (p.clamp_min(1e-30).log() - torch.log(-torch.log(uniform))).softmax(-1)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), p.shape[-1]).to(p.dtype)
    choice = hard - soft.detach() + soft  # (samples, P, T, labels)
    together = torch.einsum("nkta,nksa->nkts", choice, choice).cumprod(1)  # 1 where t and s still share
    earlier = torch.ones(p.shape[1], p.shape[1], dtype=torch.bool, device=p.device).tril(-1)
    # A task counts as a group of its own if no earlier task shares with it.
    alone = torch.where(earlier, 1 - together, torch.ones_like(together)).prod(-1)
    return alone.sum(-1).mean(0)
