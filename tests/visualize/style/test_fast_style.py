"""Fast style transfer on both backends: pictures of any size, the median, and bad networks."""

import numpy as np
import pytest
from fast_style_networks import critic, painter, photo

from minicnn.errors import InputError
from minicnn.models import shapes, transform_network
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import stylize
from minicnn.visualize.style.fast_style import mirrored


def test_a_picture_is_the_output_of_the_network(xp):
    net, picture = painter(xp), photo(16, 24)
    painted = stylize(net, picture, TORCHVISION)
    assert isinstance(painted, np.ndarray) and painted.dtype == np.uint8
    expected = TORCHVISION.to_image(painter().predict(TORCHVISION.to_input(picture)))
    assert abs(painted.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(37, 44), (8, 8), (2, 31), (1, 1), (9, 6)])
def test_other_sizes_are_extended_by_the_mirror_image(size):
    picture = photo(*size)
    whole = mirrored(picture)
    assert whole.shape[0] % 4 == whole.shape[1] % 4 == 0 and min(whole.shape[:2]) >= 8
    assert max(whole.shape[0] - size[0], whole.shape[1] - size[1]) < 8
    np.testing.assert_array_equal(whole[:size[0], :size[1]], picture)
    if size == (37, 44):
        np.testing.assert_array_equal(whole[37:], picture[35:32:-1])
    painted = stylize(painter(), picture, TORCHVISION)
    np.testing.assert_array_equal(painted, stylize(painter(), whole, TORCHVISION)[:size[0], :size[1]])


@pytest.mark.parametrize("net", [shapes(seed=None), critic(), transform_network(None, (2, 2, 2), 1).trunk("relu5")])
def test_other_networks_are_refused(net):
    with pytest.raises(InputError, match="paints no pictures"):
        stylize(net, photo(), TORCHVISION)


def test_the_median_filter():
    net, picture = painter(), photo(20, 22)
    plain, found = (stylize(net, picture, TORCHVISION, median=median) for median in (1, 3))
    for (y, x, c), value in np.ndenumerate(found[1:-1, 1:-1]):
        assert value == np.median(plain[y:y + 3, x:x + 3, c])
    for wrong in (4, 33, -1):
        with pytest.raises(InputError, match=f"median is {wrong}; expected an odd number of pixels up to 31"):
            stylize(net, picture, TORCHVISION, median=wrong)
