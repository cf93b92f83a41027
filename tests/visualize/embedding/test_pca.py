"""Principal components against an SVD."""

import numpy as np
import pytest
from embedding_points import on

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.pca_check import check_pca


@pytest.mark.parametrize("shape", [(60, 9), (9, 60), (20, 20)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_principal_components_equal_an_svd(xp, rng, shape, dtype):
    x = (rng.standard_normal(shape) * np.linspace(3, 0.5, shape[1]) + 50).astype(dtype)
    found = pca(on(xp, x), 5)
    assert all(isinstance(part, xp.ndarray) and part.dtype == np.float64 for part in found)
    found = type(found)(*map(to_host, found))
    centred = x.astype(float) - x.astype(float).mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(vt[np.arange(5), np.abs(vt[:5]).argmax(axis=1)])
    np.testing.assert_allclose(found.axes, vt[:5] * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(found.positions, u[:, :5] * s[:5] * signs, atol=1e-8)
    np.testing.assert_allclose(found.variances, s[:5] ** 2 / (len(x) - 1), rtol=1e-10)
    np.testing.assert_allclose(found.mean, x.astype(float).mean(axis=0), rtol=1e-12)
    assert all(check.passed for check in check_pca(x, found))


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_axes_without_variance_are_orthonormal_too(rng, shape):
    x = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))  # on one line
    found = pca(x, 6)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(6), atol=1e-10)
    assert found.variances[0] > 0 and (found.variances[1:] < 1e-10 * found.variances[0]).all()


def test_the_pca_check_fails_for_wrong_axes(rng):
    x = rng.standard_normal((40, 6))
    found = pca(x, 3)
    assert [check.passed for check in check_pca(x, found)] == [True, True, True]
    skewed = found.axes + 1e-3
    assert not any(check.passed for check in check_pca(
        x, found._replace(axes=skewed, positions=found.positions + 1, variances=found.variances * 1.01)))


@pytest.mark.parametrize(("x", "components", "message"), [
    (np.zeros((1, 5)), 1, "at least two points"), (np.zeros((4, 5)), 5, "1 to 4 components, not 5"),
    (np.zeros((4, 5)), 0, "1 to 4 components, not 0"), (np.full((4, 5), np.nan), 1, "not finite"),
    (np.zeros(4), 1, r"expected points of shape \(N, D\), got \(4,\)")])
def test_points_and_numbers_of_components_that_do_not_fit_are_refused(x, components, message):
    with pytest.raises(InputError, match=message):
        pca(x, components)
