"""A jet is indexed like a tensor, except along its points."""

import pytest
import torch

from pinn.algebra.channels import every_channel, first
from pinn.algebra.jet import Jet, NoRuleError
from pinn.fields.field import seed

N, D = 4, 2


def points(n=N, d=D):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def make_jet():
    return Jet(points(), seed(points(), every_channel(D, (0, 1))))


@pytest.mark.parametrize(
    "index",
    [0, slice(1, 2), (0, slice(None)), (Ellipsis, 0, slice(None)), None, [0, 1], (0, Ellipsis, 1)],
    ids=repr,
)
def test_points_cannot_be_indexed(index):
    with pytest.raises(NoRuleError, match="indexing the points"):
        make_jet()[index]


@pytest.mark.parametrize(
    "index",
    [
        (slice(None), 0),
        (Ellipsis, 0),
        (Ellipsis, slice(None), 1),
        (slice(None), Ellipsis, 1),
        (slice(None), [1, 0]),
        (Ellipsis, None),
        (slice(None), None),
        slice(None),
    ],
    ids=repr,
)
def test_features_are_indexed_like_tensors(index):
    jet = make_jet()[index]
    torch.testing.assert_close(jet.value, points()[index])
    unit = torch.eye(2, dtype=torch.float64)[1].expand(N, 2)
    torch.testing.assert_close(jet.stream(first(1)), unit[index])


def test_lists_of_indices_that_would_move_the_points_are_refused():
    jet = make_jet()[:, :, None] * torch.ones(2, 3, dtype=torch.float64)
    with pytest.raises(NoRuleError, match="indexing the points"):
        jet[..., None][:, [0], :, [0]]


def test_a_mask_over_points_and_features_is_refused():
    mask = points() > 0.5
    for index in (mask, (Ellipsis, mask), mask[:, 0]):
        with pytest.raises(NoRuleError, match="indexing the points"):
            make_jet()[index]


def test_a_mask_over_features_selects_them():
    wide = make_jet()[:, :, None] * torch.ones(2, 3, dtype=torch.float64)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    for index in ((slice(None), mask), (Ellipsis, mask), (slice(None), 0, mask[0])):
        torch.testing.assert_close(wide[index].value, wide.value[index])
        torch.testing.assert_close(wide[index].stream(first(1)), wide.stream(first(1))[index])
