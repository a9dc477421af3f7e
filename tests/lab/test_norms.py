"""Norms against their definitions, samples of their hyperparameters, and lookup by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import nn

from localnorm import LRNSpec, reference
from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.norms import NORMS, Norm, find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.study.jobs import random_trials
from localnorm.lab.study.registry import NORM_INFO, TASK_NAMES, NormInfo, norm_info
from localnorm.lab.study.search_space import Choice, LogUniform, Range, Uniform, draw
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import TASKS, find_task, task_studies
from localnorm.lab.training.trial import set_up, train_epoch
from localnorm.learnable import NAMES
from localnorm.torch import LocalResponseNorm
from user_norms import scaled

pytestmark = pytest.mark.usefixtures("one_thread")

# No two axes of one length, so that a mixed-up axis shows; 8 groups of 2 channels.
SHAPES = {0: (3, 16), 1: (3, 16, 5), 2: (3, 16, 5, 7), 3: (3, 16, 5, 7, 2)}
EPS = 1e-5
PAPER = LRNSpec(lo=2, hi=2, alpha=1e-4, beta=0.75, k=2.0)


def _standardized(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPS)


def _by_group(x: np.ndarray) -> np.ndarray:
    grouped = x.reshape(x.shape[0], 8, 2, *x.shape[2:])
    return _standardized(grouped, tuple(range(2, grouped.ndim))).reshape(x.shape)


def _group_deviation(x: np.ndarray) -> np.ndarray:
    variance = x.reshape(x.shape[0], 8, -1).var(axis=2)
    return np.sqrt(np.repeat(variance, 2, axis=1) + EPS).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


DEFINITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "local": lambda x: reference.forward(x, PAPER),
    "local-learned": lambda x: reference.forward(x, PAPER),  # before it has learned
    "batch": lambda x: _standardized(x, (0, *range(2, x.ndim))),
    "layer": lambda x: _standardized(x, tuple(range(1, x.ndim))),
    "instance": lambda x: _standardized(x, tuple(range(2, x.ndim))),
    "group": _by_group,
    "rms": lambda x: x / np.sqrt((x**2).mean(tuple(range(1, x.ndim)), keepdims=True) + EPS),
    # As they start; with other values of their parameters: tests/torch/test_modern_norms.py.
    "dyt": lambda x: np.tanh(0.5 * x),
    "derf": lambda x: erf(0.5 * x),
    "grn": lambda x: x,
    "frn": lambda x: x / np.sqrt((x**2).mean(tuple(range(2, x.ndim)), keepdims=True) + 1e-6),
    "evonorm-s0": lambda x: x / (1 + np.exp(-x)) / _group_deviation(x),
    "ws-group": _by_group,
    "batch-renorm": lambda x: _standardized(x, (0, *range(2, x.ndim))),  # its first step
    "pixel": lambda x: x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8),
    "gdn": lambda x: x / np.sqrt(1 + float(np.float32(0.1)) * x**2),  # gamma is a float32
    "nf": lambda x: x,
}
AFTER = {"frn": lambda y: np.maximum(y, 0)}
"""What follows gain and shift."""
NEEDS_POSITIONS = ("instance", "grn", "frn")


def test_every_norm_has_a_definition_here():
    assert set(DEFINITIONS) == set(NORMS)


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("name", NORMS)
def test_a_norm_is_its_definition_with_a_gain_and_shift_a_channel(name: str, dims: int):
    if name in NEEDS_POSITIONS and dims == 0:
        with pytest.raises(LabError, match=r"needs positions .* got an input of rank 2 .* use layer or group"):
            find_norm(name).builder(dims)(16)
        return
    rng = np.random.default_rng(0)
    # A mean of 3 shows whether it is subtracted; parts of 1e-3 show the eps.
    x = rng.normal(3.0, 2.0, SHAPES[dims]) * rng.choice([1.0, 1e-3], SHAPES[dims][:2] + (1,) * dims)
    module = find_norm(name).builder(dims)(16).double()
    affine = {"weight", "bias"}.intersection(dict(module.named_parameters()))
    parameters = {key: torch.from_numpy(rng.normal(size=16)) for key in sorted(affine)}
    module.load_state_dict(parameters, strict=False)
    gain, shift = (
        parameters.get(key, torch.tensor(default)).numpy().reshape(-1, *[1] * dims)
        for key, default in (("weight", 1.0), ("bias", 0.0))
    )
    wanted = AFTER.get(name, lambda y: y)(DEFINITIONS[name](x) * gain + shift)
    # Means over at most 210 numbers in two orders of summation, and cancellation in x - mean: 1e-12 leaves a
    # factor of a thousand over float64, and an eps of 1e-5 that is left out is seen from 5e-6 on.
    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


def test_local_learned_is_trained_by_the_lab():
    """After an epoch of a trial, every value of every layer has moved."""
    task = find_task("digits")
    trial = Trial("digits", "textbook_cnn", "local-learned", 0, 3e-3, 128, 1)
    fabric, model, optimizer, _ = set_up(task, trial)
    assert sum(p.numel() for p in model.parameters()) == 53_002 + 2 * 3
    train_epoch(fabric, model, optimizer, task, task.load(0).train, 128, torch.Generator().manual_seed(0))
    layers = [module for module in model.modules() if isinstance(module, LocalResponseNorm)]
    moved = [getattr(layer.current_spec(), name) / getattr(PAPER, name) for layer in layers for name in NAMES]
    assert len(moved) == 6
    # Eight steps of Adam at 3e-3.
    assert all(1e-3 < abs(np.log(ratio)) < 8.1 * 3e-3 for ratio in moved)


def _outcome(norm: Norm, channels: int, setting: tuple) -> bytes:
    """Return output and running statistics; in float64, where every hyperparameter shows."""
    x = torch.randn(2, channels, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    module = norm.builder(2, setting)(channels).double()
    y = module(x)
    assert y.shape == x.shape
    assert y.isfinite().all()
    return b"".join(tensor.detach().numpy().tobytes() for tensor in (y, *module.state_dict().values()))


@pytest.mark.parametrize("name", [name for name, norm in NORMS.items() if norm.space])
def test_every_setting_drawn_builds_and_runs_and_every_hyperparameter_counts(name: str):
    norm = find_norm(name)
    settings = [draw(norm.space, name, 0, number) for number in range(200)]
    for channels, setting in product((32, 64), settings):
        _outcome(norm, channels, setting)
    if name == "nf":
        return  # its clip acts on gradients: see tests/lab/training/test_norm_training.py
    for hyperparameter, space in norm.space.items():
        values = {dict(setting)[hyperparameter] for setting in settings}
        assert values == set(space.values) if isinstance(space, Choice) else len(values) > 100
        assert len({_outcome(norm, 32, ((hyperparameter, value),)) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("space", "middle"), [(Uniform(0.25, 1.5), 0.875), (LogUniform(1e-7, 1e-1), 1e-4), (Choice((1, 2, 4, 8)), 3)]
)
def test_draws_lie_within_their_range_half_on_each_side_of_its_middle(space: Range, middle: float):
    values = [dict(draw({"a": space}, number))["a"] for number in range(1000)]
    low, high = (space.values[0], space.values[-1]) if isinstance(space, Choice) else (space.low, space.high)
    assert low <= min(values)
    assert max(values) <= high
    # Five standard deviations of the share of 1000 fair coins.
    assert np.mean([value < middle for value in values]) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(1000))


def test_a_draw_is_the_same_on_every_machine():
    # Written out: other draws would make records of different releases differ under one study.
    assert draw(NORMS["local"].space, "local", 0, 0) == (
        ("alpha", 4.49e-05),
        ("beta", 1.42),
        ("k", 3.76),
        ("n", 3),
    )


def test_a_seeds_learning_rates_are_the_same_for_every_norm_and_its_own_settings_drawn():
    (task,) = task_studies(["digits"])
    schedule = replace(task.schedule, draws=3)
    task = replace(task, schedule=schedule)
    study = Study(
        (task,), norms=("none", "local", "user_norms:placebo", "user_norms:scaled"), pilot_seeds=(1000, 1001)
    )
    by_norm = {norm: [t for t in random_trials(study, task) if t.norm == norm] for norm in study.norms}
    rates = [[t.learning_rate for t in trials] for trials in by_norm.values()]
    assert rates == [rates[0]] * 4
    assert len(set(rates[0])) == len(study.pilot_seeds) * schedule.draws
    assert all(min(schedule.learning_rates) <= rate <= max(schedule.learning_rates) for rate in rates[0])
    names = {norm: {tuple(dict(t.settings)) for t in trials} for norm, trials in by_norm.items()}
    assert list(names.values()) == [{()}, {("alpha", "beta", "k", "n")}, {()}, {("by",)}]
    more = list(random_trials(replace(study, norms=(*study.norms, "rms"), pilot_seeds=(1000, 1001, 1002)), task))
    assert set(random_trials(study, task)) < set(more)


def test_a_norm_of_your_own():
    norm = find_norm("user_norms:scaled")
    assert (norm.name, norm.about) == ("user_norms:scaled", "a number of its own")
    assert norm.builder(2, (("by", 4.0),))(32)(torch.tensor(8.0)) == 2
    bare = find_norm("user_norms:plain")
    assert (bare.name, bare.about, bare.space) == ("user_norms:plain", "user-defined: user_norms:plain", {})
    assert isinstance(bare.builder(0)(32), nn.BatchNorm2d)


UNKNOWN = {
    "lokal": r"of none, local, local-learned, batch, layer, .*, nf, got 'lokal'; did you mean local\?",
    "": "got ''; check the spelling. A user-defined norm is p",
    "user_norms:": "got 'user_norms:'; check the spelling. A user-defined norm is p",
    ":norm": "got ':norm'; check the spelling. A user-defined norm is p",
    ".user_norms:norm": r"got '\.user_norms:norm'; check the spelling. A user-defined norm is p",
    "no_such_module:norm": "got 'no_such_module:norm': No module named 'no_such_module'; check the spelling",
    "user_norms:absent": "got 'user_norms:absent': module 'user_norms' has no attribute 'absent'; check the spell",
    "user_models:sized": "with a number of channels alone, got user_models:sized: missing a required argument",
    "user_norms:not_a_norm": "takes num_channels, got 3 at user_norms:not_a_norm; see docs/bring-your-own.md",
}


@pytest.mark.parametrize(("name", "text"), UNKNOWN.items(), ids=UNKNOWN)
def test_a_norm_that_cannot_be_found(name: str, text: str):
    with pytest.raises(UnknownNameError, match=text):
        find_norm(name)


@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (24, 8), (12, 4), (3, 1)])
def test_no_more_groups_than_divide_the_channels(channels: int, groups: int):
    assert find_norm("group").builder(2)(channels).num_groups == groups


def test_the_registry_without_torch_names_what_the_lab_builds():
    assert list(NORM_INFO) == list(NORMS)
    assert [norm.info for norm in NORMS.values()] == list(NORM_INFO.values())
    assert tuple(TASKS) == TASK_NAMES
    assert norm_info("user_norms:scaled") == NormInfo("user_norms:scaled", scaled.about, scaled.space)
    assert norm_info("torch.nn:BatchNorm2d").space == {}


@pytest.mark.parametrize("name", [name for name, info in NORM_INFO.items() if info.space])
def test_every_hyperparameter_has_a_default(name: str):
    defaults = dict(NORMS[name].defaults)
    assert set(defaults) == set(NORM_INFO[name].space)
