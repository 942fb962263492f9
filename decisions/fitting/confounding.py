"""What the fit cannot see, and what an experiment shows of it.

**Observational curves are confounded.** Budgets follow demand, and what a planner knew that no yesterday showed looks
like return. Suppose that outcome moves with spend^b for reasons that spend did not cause. Spend and outcome alone
cannot tell b from saturation, so the curve is fitted at what is believed of b, and its parameters' sensitivity to b
widens the posterior by what is not known of it (sensitivity analysis by a bias parameter: Greenland 2005; kept from
being learned from the curve's misfit: cut models, Plummer 2015). Conversion rates show what b is (`foresight`). Without
them it is above 0 on average: observational estimates overstate what advertising does (Blake, Nosko & Tadelis 2015;
Gordon et al. 2019).

An experiment sees the curve without b. It settles its own line, and by what the lines of a channel share in b it moves
its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.experiments import Experiment, arrange, differences
from decisions.fitting.history import History
from decisions.fitting.model import Spec

FloatArray = NDArray[np.float64]

BIAS, CHANNEL_SD, LINE_SD = 0.03, 0.03, 0.05
"""The power b without conversion rates: its mean, its spread between channels and between a channel's lines. The
spreads stay where rates say the rest. See docs/choices.md, Response curves."""
STEPS, NEAR = 50, 1e-8


class Power(NamedTuple):
    """What is believed of the power b of n lines before experiments."""

    mean: FloatArray  # (n,)
    shared: FloatArray  # (n,) standard deviation of the part in which a channel's lines err as one
    own: FloatArray  # (n,) and of the rest

    def of(self, lines: NDArray[np.int64]) -> Power:
        """Some lines alone."""
        return Power(self.mean[lines], self.shared[lines], self.own[lines])


class Calibrated(NamedTuple):
    """A channel's posterior with confounding and experiments in it."""

    theta: FloatArray  # (n, p)
    cov: FloatArray  # (n, p, p), all of a line's uncertainty
    together: FloatArray  # (n, p) the part of it in which the channel's lines move as one, one standard deviation


def calibrate(
    spec: Spec, theta: FloatArray, cov: FloatArray, sensitivity: FloatArray, power: Power,
    columns: NDArray[np.int64], history: History, demand: FloatArray, experiments: Sequence[Experiment],
) -> Calibrated:
    """The posterior mode and Laplace covariance under the experiments' Gaussian likelihood.

    `theta` (n, P) with `cov` (n, p, p) of its active `columns` is what observation says at `power.mean`, `sensitivity`
    (n, p) how it moves with b, `demand` (T,) what the lines share each day. With the channel's b apart, lines are
    independent: each line's own part is solved given it, and its posterior from all of them (Gauss-Newton).
    """
    own, sensitivity = power.own[:, None] * sensitivity, power.shared[:, None] * sensitivity
    wide = cov + own[:, :, None] * own[:, None, :]
    tests = arrange(experiments, history)
    lines = np.unique(tests.line)
    apart, gains = np.zeros_like(sensitivity), {}
    shift, precision = 0.0, 1.0
    for step in range(STEPS if len(lines) else 0):
        now = theta.copy()
        now[:, columns] += sensitivity * shift + apart
        lift, slope = differences(spec, now, tests, demand)
        before, top, precision = shift, 0.0, 1.0
        for i in lines:
            mine = tests.line == i
            jac = slope[mine]
            spread = jac @ wide[i] @ jac.T + np.diag(tests.variance[mine])
            rest = tests.outcome[mine] - lift[mine] + jac @ (sensitivity[i] * shift + apart[i])
            gains[i] = (wide[i] @ jac.T @ np.linalg.inv(spread), jac, rest)
            by_shift = jac @ sensitivity[i]
            top += by_shift @ np.linalg.solve(spread, rest)
            precision += by_shift @ np.linalg.solve(spread, by_shift)
        damped = 1.0 if step < 5 else 0.5  # far tests of a bent curve overshoot
        shift += damped * (top / precision - shift)
        moved = abs(shift - before)
        for i, (gain, jac, rest) in gains.items():
            change = gain @ (rest - jac @ sensitivity[i] * shift) - apart[i]
            apart[i] += damped * change.clip(-0.5, 0.5)
            moved = max(moved, float(np.abs(change).max()))
        if moved < NEAR:
            break
    together = sensitivity.copy()
    for i, (gain, jac, _) in gains.items():
        wide[i] = wide[i] - gain @ jac @ wide[i]
        together[i] = sensitivity[i] - gain @ jac @ sensitivity[i]
    together = together / np.sqrt(precision)
    whole = wide + together[:, :, None] * together[:, None, :]
    mode = theta[:, columns] + sensitivity * shift + apart
    return Calibrated(mode, (whole + whole.transpose(0, 2, 1)) / 2, together)
