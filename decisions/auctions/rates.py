"""A click rate from features, for logs that bring none: logistic regression on one-hot levels with a ridge, as the
public benchmarks of auction logs use (Zhang et al. 2014, Real-time bidding benchmarking with iPinYou dataset)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from decisions.auctions.log import FloatArray, IntArray

RIDGE = 1.0
"""A normal prior of standard deviation 1 on the log-odds of a level."""


def predicted(known: Sequence[IntArray], click: IntArray, asked: Sequence[IntArray]) -> FloatArray:
    """Click rates of the asked rows, learnt from the known ones; one array of level codes a feature, the same codes
    in both.

    A level that was not seen counts as the mean.
    """
    sizes = [int(max(k.max(initial=0), a.max(initial=0))) + 1 for k, a in zip(known, asked, strict=True)]
    x, mean = _one_hot(known, sizes), np.clip(click.mean(), 1e-6, 1 - 1e-6)
    start = np.zeros(x.shape[1] + 1)
    start[-1] = np.log(mean / (1 - mean))

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ w[:-1] + w[-1]
        residual = expit(z) - click
        value = np.logaddexp(0, z).sum() - click @ z + RIDGE / 2 * (w[:-1] @ w[:-1])
        return float(value), np.append(x.T @ residual + RIDGE * w[:-1], residual.sum())

    w = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return np.asarray(np.clip(expit(_one_hot(asked, sizes) @ w[:-1] + w[-1]), 1e-9, 1 - 1e-9))


def _one_hot(columns: Sequence[IntArray], sizes: Sequence[int]) -> csr_matrix:
    first = np.cumsum([0, *sizes[:-1]])
    n, each = columns[0].size, len(columns)
    index = np.stack([c + f for c, f in zip(columns, first, strict=True)], axis=1).ravel()
    return csr_matrix((np.ones(index.size), index, np.arange(0, n * each + 1, each)), shape=(n, sum(sizes)))
