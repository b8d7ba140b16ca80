# Writes cases.json beside this file: numbers of scipy for test/golden/statistics.test.ts.
# python3-scipy 1.10: python3 make.py
import json
import math
from pathlib import Path

import numpy as np
import scipy
from scipy import stats


def wilson(k, n):
    ends = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    return {"successes": k, "n": n, "interval": [ends.low, ends.high]}


def mcnemar(b, c):
    n, least = b + c, min(b, c)
    chi = max(abs(b - c) - 1, 0) ** 2 / n
    exact = stats.binomtest(b, n, 0.5).pvalue
    mid = 1.0 if b == c else 2 * (stats.binom.cdf(least, n, 0.5) - 0.5 * stats.binom.pmf(least, n, 0.5))
    return {"onlyA": b, "onlyB": c, "exact": exact, "midP": mid, "statistic": chi, "chiSquare": stats.chi2.sf(chi, 1)}


def newcombe(both, only_a, only_b, neither):
    """Method 10, written from the paper: the four counts as a table, phi from the table's determinant."""
    table = np.array([[both, only_a], [only_b, neither]], dtype=float)
    n = table.sum()
    a, b = table.sum(1)[0], table.sum(0)[0]
    margins = np.prod(np.concatenate([table.sum(0), table.sum(1)]))
    det = np.linalg.det(table)
    phi = 0.0
    if margins > 0:
        phi = (det if det <= 0 else max(det - n / 2, 0)) / math.sqrt(margins)
    (la, ua), (lb, ub) = wilson(int(a), int(n))["interval"], wilson(int(b), int(n))["interval"]
    d, pa, pb = (b - a) / n, a / n, b / n
    down = np.array([pb - lb, ua - pa])
    up = np.array([ub - pb, pa - la])
    form = np.array([[1, -phi], [-phi, 1]])
    ends = [d - math.sqrt(down @ form @ down), d + math.sqrt(up @ form @ up)]
    return {"both": both, "onlyA": only_a, "onlyB": only_b, "neither": neither, "interval": ends}


def bootstrap(values, seed, resamples=199):
    """The resamples' means, so that the intervals can be compared to the last digits, and those of many resamples."""
    values = np.asarray(values, dtype=float)

    def intervals(count):
        found = {}
        for method in ("percentile", "BCa"):
            result = stats.bootstrap(
                (values,), np.mean, n_resamples=count, method=method, random_state=seed, vectorized=True
            )
            found[method] = [result.confidence_interval.low, result.confidence_interval.high]
            found["standardError"] = result.standard_error
            found["means"] = result.bootstrap_distribution.tolist()
        return found

    few, many = intervals(resamples), intervals(40000)
    many.pop("means")
    return {"values": values.tolist(), "few": few, "many": many}


draw = np.random.default_rng(7)
outcomes = draw.choice([-1, 0, 1], size=120, p=[0.05, 0.75, 0.2])
skewed = np.round(draw.exponential(size=40), 6)
cases = {
    "scipy": scipy.__version__,
    "normal": [{"z": z, "cdf": stats.norm.cdf(z)} for z in (-8.0, -3.0, -1.959963984540054, -0.1, 0.0, 0.7, 2.5, 5.0)],
    "quantiles": [{"p": p, "z": stats.norm.ppf(p)} for p in (1e-12, 0.001, 0.025, 0.3, 0.5, 0.8, 0.975, 0.9999)],
    "wilson": [wilson(*at) for at in ((0, 10), (1, 10), (81, 263), (500, 1000), (9999, 10000))],
    "mcnemar": [mcnemar(*at) for at in ((2, 8), (0, 5), (3, 3), (12, 24), (30, 12), (121, 59), (800, 900))],
    "newcombe": [
        newcombe(*at)
        for at in ((20, 12, 2, 16), (36, 12, 2, 0), (10, 0, 0, 10), (50, 0, 0, 0), (0, 5, 7, 3), (612, 41, 58, 289))
    ],
    "bootstrap": [bootstrap(outcomes, 1), bootstrap(skewed, 2)],
}
Path(__file__).with_name("cases.json").write_text(json.dumps(cases, indent=1) + "\n")
