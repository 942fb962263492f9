"""A small world with known curves, for the tests of the fit."""

from datetime import date, timedelta

import numpy as np

from decisions.fitting import History, history
from decisions.fitting.carry import LAGS, kernel
from decisions.fitting.shapes import log_saturation

FIRST = date(2026, 3, 2)


class Truth:
    """Lines of two channels with four campaigns; `marginal` and `value` are of holding a spend."""

    def __init__(self, n=24, days=90, seed=1, shape="hill1", nu=0.0, carry="none", kept=(0.0, 0.0), bias=0.0,
                 shared=0.0, noise=20.0):
        random = np.random.default_rng(seed)
        self.n, self.days, self.shape = n, days, shape
        self.typical = np.exp(random.normal(4, 0.8, n))
        self.kappa = random.normal(0.2, 0.3, n)
        self.nu = np.full(n, nu)
        self.level = np.exp(random.normal(1.0, 0.3, n)) * self.typical
        season = np.exp(shared * np.cumsum(random.normal(0, 0.3, days)) / np.sqrt(10))[:, None]
        unseen = random.normal(0, 0.5, (days, n))
        self.spend = self.typical * np.exp(unseen) * season
        self.shares = kernel(carry, np.tile(kept, (n, 1)))[0]
        past = np.concatenate([np.tile(self.spend[0], (LAGS - 1, 1)), self.spend])
        effective = sum(self.shares[j] * past[LAGS - 1 - j : LAGS - 1 - j + days] for j in range(LAGS))
        mean = self.value(effective) * (effective / self.typical) ** bias * season
        self.outcome = noise * random.poisson(mean / noise)
        self.lines = [(f"line-{i:02}", f"campaign-{i % 4}", f"channel-{i % 2}") for i in range(n)]

    def value(self, spend):
        at = log_saturation(self.shape, np.log(np.maximum(spend, 1e-9) / self.typical), self.kappa, self.nu)[0]
        usual = log_saturation(self.shape, np.zeros(self.n), self.kappa, self.nu)[0]
        return self.level * np.exp(at - usual)

    def marginal(self, spend):
        return (self.value(spend * 1.001) - self.value(spend * 0.999)) / (0.002 * spend)

    def rows(self, keep=None):
        """line_id, day, spend, outcome of the days and lines to keep (days, n)."""
        keep = np.ones(self.spend.shape, dtype=bool) if keep is None else keep
        t, i = np.nonzero(keep)
        return ([self.lines[j][0] for j in i], [FIRST + timedelta(days=int(d)) for d in t], self.spend[t, i],
                self.outcome[t, i])

    def history(self, keep=None, **more) -> History:
        return history(self.lines, *self.rows(keep), **more)
