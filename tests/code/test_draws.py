"""Draws of the curves: what the posterior says of one line, and of lines together."""

import numpy as np
import pyarrow as pa
import pytest
from fit_world import Truth

from decisions.draws import as_table, draws, from_table
from decisions.fitting import SIMPLE, fit
from decisions.fitting.simple import as_curves


@pytest.fixture(scope="module")
def fitted():
    known = Truth(n=12, days=60).history()
    return fit(known, specs=dict.fromkeys(known.channels, SIMPLE))


def test_draws_scatter_as_the_posterior_says(fitted):
    drawn, curves = draws(fitted, 4000), as_curves(fitted)
    spend = fitted.typical
    assert np.allclose(np.log(drawn.a / drawn.k).mean(axis=0), np.log(curves.a / curves.k), atol=0.05)
    assert np.allclose(np.log(drawn.value(spend)).std(axis=0), curves.value_se(spend) / curves.value(spend), rtol=0.1)


def test_lines_of_a_channel_move_together(fitted):
    drawn = draws(fitted, 4000)  # what the data cannot show is how fast returns fall, alike in a channel's lines
    related = np.corrcoef(np.log(drawn.k).T)
    same = np.array(fitted.channels)[:, None] == np.array(fitted.channels)
    inside = related[same & ~np.eye(12, dtype=bool)].mean()
    assert inside > 0.02
    assert abs(related[~same].mean()) < inside / 2


def test_the_table_keeps_them(fitted):
    drawn = draws(fitted)
    table = as_table(drawn)
    back = from_table(table.take(np.random.default_rng(3).permutation(table.num_rows)))
    assert np.array_equal(back.a, drawn.a)
    assert np.array_equal(back.k, drawn.k)
    wanted = [drawn.line_ids[3], drawn.line_ids[0]]
    assert np.array_equal(back.of(wanted).a, drawn.a[:, [3, 0]])


def test_the_same_fit_gives_the_same_draws(fitted):
    assert np.array_equal(draws(fitted).a, draws(fitted).a)


def test_a_bad_draw_is_named(fitted):
    table = as_table(draws(fitted, 5))
    ceiling = table.column("ceiling").to_numpy().copy()
    ceiling[3] = np.nan
    with pytest.raises(ValueError, match=f"line '{table.column('line_id')[3].as_py()}'.*run the job `curves` again"):
        from_table(table.set_column(2, "ceiling", [ceiling]))
    with pytest.raises(ValueError, match="do not fit"):
        from_table(table.slice(1))
    one, other = table.slice(0, 24), table.slice(24, 12)
    torn = pa.concat_tables([one, other.set_column(1, "draw", pa.array([2] * 11 + [3]))])
    with pytest.raises(ValueError, match="do not fit"):
        from_table(torn)
    exact = np.full(60, 7.0)
    with pytest.raises(ValueError, match=r"are all the same, as if it were known exactly \(12 such lines\)"):
        from_table(table.set_column(2, "ceiling", [exact]).set_column(3, "half_saturation", [exact]))
    with pytest.raises(ValueError, match="no posterior draws of elsewhere"):
        from_table(table).of(["elsewhere"])
