"""Metrics: against numpy, over batches, over processes, in any precision."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pinn.assessment.metrics import Maximum, RelativeL2, RootMeanSquare

rng = np.random.default_rng(0)
PREDICTED = torch.from_numpy(rng.normal(3.0, 1.0, 1000))
TARGET = torch.from_numpy(rng.normal(2.0, 1.0, 1000))
RESIDUAL = torch.from_numpy(rng.normal(size=(1000, 3)))


def relative(predicted, target, up_to_constant=False):
    error, truth = (predicted - target).numpy(), target.numpy()
    if up_to_constant:
        error, truth = error - error.mean(), truth - truth.mean()
    return np.linalg.norm(error) / np.linalg.norm(truth)


def fed(metric, *batches):
    for batch in batches:
        metric.update(*batch)
    return metric


CASES = [
    (RelativeL2, (PREDICTED, TARGET), relative(PREDICTED, TARGET)),
    (
        lambda: RelativeL2(up_to_constant=True),
        (PREDICTED, TARGET),
        relative(PREDICTED, TARGET, True),
    ),
    (RootMeanSquare, (RESIDUAL,), math.sqrt((RESIDUAL.numpy() ** 2).sum(1).mean())),
    (Maximum, (RESIDUAL,), np.linalg.norm(RESIDUAL.numpy(), axis=1).max()),
]
every_metric = pytest.mark.parametrize(
    ("make", "data", "expected"), CASES, ids=["relative", "up_to_constant", "rms", "maximum"]
)


def parts(data, cuts):
    return list(zip(*(torch.tensor_split(d, cuts) for d in data), strict=True))


# --- values


@every_metric
def test_equals_numpy(make, data, expected):
    found = fed(make(), data).compute()
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(expected, rel=1e-13)


@every_metric
@pytest.mark.parametrize("cuts", [(500,), (1, 7, 990), (0, 300)])  # the last has an empty batch
def test_batches_add_up_to_the_whole(make, data, expected, cuts):
    assert float(fed(make(), *parts(data, cuts)).compute()) == pytest.approx(expected, rel=1e-13)


@every_metric
def test_forward_gives_the_batch_and_keeps_the_whole(make, data, expected):
    metric = make()
    first, second = parts(data, (400,))
    assert float(metric(*first)) == pytest.approx(float(fed(make(), first).compute()), rel=1e-13)
    metric(*second)
    assert float(metric.compute()) == pytest.approx(expected, rel=1e-13)


def test_scalar_residual():
    r = torch.tensor([3.0, -5.0, 4.0])
    assert float(fed(RootMeanSquare(), (r,)).compute()) == pytest.approx(math.sqrt(50 / 3))
    assert float(fed(Maximum(), (r,)).compute()) == 5.0


def test_relative_error_of_a_vector_field():
    predicted, target = RESIDUAL + 0.1, RESIDUAL
    found = fed(RelativeL2(), (predicted, target)).compute()
    assert float(found) == pytest.approx(relative(predicted, target), rel=1e-13)


def test_up_to_constant_ignores_any_constant():
    shifted = fed(RelativeL2(up_to_constant=True), (PREDICTED + 40.0, TARGET - 7.0)).compute()
    assert float(shifted) == pytest.approx(relative(PREDICTED, TARGET, True), rel=1e-12)


def test_a_large_constant_does_not_cancel_a_small_error():
    error = 1e-6 * torch.sin(torch.arange(1000.0, dtype=torch.float64))
    batches = parts((TARGET + error + 1e4, TARGET), (300, 600))
    found = float(fed(RelativeL2(up_to_constant=True), *batches).compute())
    # 1e4 itself carries a rounding error of 1e-12, a millionth of the error.
    assert found == pytest.approx(relative(TARGET + error, TARGET, True), rel=1e-5)


def test_zero_reference_gives_the_rms_of_the_error():
    zero = torch.zeros(4)
    found = fed(RelativeL2(), (torch.tensor([1.0, -1.0, 2.0, 0.0]), zero)).compute()
    assert float(found) == pytest.approx(math.sqrt(6 / 4))
    assert float(fed(RelativeL2(), (zero, zero)).compute()) == 0.0


def test_constant_reference_up_to_a_constant_gives_the_rms_of_the_error():
    constant = torch.full((1000,), 0.1, dtype=torch.float64)
    batches = parts((PREDICTED, constant), (333,))
    found = float(fed(RelativeL2(up_to_constant=True), *batches).compute())
    assert found == pytest.approx(float(PREDICTED.std(correction=0)), rel=1e-12)


@every_metric
@pytest.mark.parametrize("position", [0, 999])
def test_nan_propagates(make, data, expected, position):
    broken = data[0].clone()
    broken[position] = torch.nan
    batches = parts((broken, *data[1:]), (500,))
    assert fed(make(), *batches).compute().isnan()


# --- precision, state, device


@every_metric
def test_float32_adds_up_in_float64(make, data, expected):
    single = tuple(d.float() for d in data)
    batches = parts(single, tuple(range(1, 1000)))
    exactly = float(fed(make(), tuple(d.double() for d in single)).compute())
    assert float(fed(make(), *batches).compute()) == pytest.approx(exactly, rel=1e-13)


@every_metric
@pytest.mark.parametrize("move", [{"dtype": torch.float32}, {"dtype": torch.float16}])
def test_states_stay_float64_when_the_model_changes_precision(make, data, expected, move):
    model = nn.Module()
    model.metric = make()
    first, second = parts(data, (400,))
    model.metric.update(*first)
    model.to(**move)
    model.metric.update(*second)
    assert all(state.dtype == torch.float64 for state in model.metric.metric_state.values())
    assert float(model.metric.compute()) == pytest.approx(expected, rel=1e-13)
    model.metric.reset()
    assert all(state.dtype == torch.float64 for state in model.metric.metric_state.values())


@every_metric
def test_moves_to_another_device(make, data, expected):
    metric = fed(make(), data).to("meta")
    assert metric.device.type == "meta"
    assert all(state.device.type == "meta" for state in metric.metric_state.values())


@every_metric
def test_reset_forgets(make, data, expected):
    metric = fed(make(), tuple(10 * d + 1 for d in data))
    metric.reset()
    assert float(fed(metric, data).compute()) == pytest.approx(expected, rel=1e-13)


def test_keeps_no_graph():
    weight = torch.ones(1000, dtype=torch.float64, requires_grad=True)
    metric = fed(RelativeL2(), (PREDICTED * weight, TARGET))
    assert not metric.compute().requires_grad


# --- processes


@every_metric
def test_two_processes_merge(make, data, expected):
    first, second = (fed(make(), part) for part in parts(data, (123,)))
    first.merge_state(second)
    assert float(first.compute()) == pytest.approx(expected, rel=1e-13)


@every_metric
@pytest.mark.parametrize("cut", [0, 123])  # with 0 one process saw nothing
def test_two_processes_synchronise(make, data, expected, cut):
    first, second = (fed(make(), part) for part in parts(data, (cut,)))

    def gather(state, group):
        name = next(n for n, own in second.metric_state.items() if own is state)
        return [getattr(first, name), state]

    # This process is the second; the state of the first comes in by the gather.
    second.dist_sync_fn = gather
    second.distributed_available_fn = lambda: True
    assert float(second.compute()) == pytest.approx(expected, rel=1e-13)


# --- misuse


@every_metric
@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_no_points_is_an_error(make, data, expected):
    with pytest.raises(ValueError, match="has seen no points"):
        make().compute()


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"predicted has shape \(4,\) and target \(4, 1\)"):
        RelativeL2().update(torch.ones(4), torch.ones(4, 1))
    with pytest.raises(ValueError, match=r"one component \(N,\), got \(4, 2\)"):
        RelativeL2(up_to_constant=True).update(torch.ones(4, 2), torch.ones(4, 2))
    for metric in (RootMeanSquare(), Maximum()):
        with pytest.raises(ValueError, match=r"one value per point, got \(\)"):
            metric.update(torch.tensor(1.0))
