"""The probes: reach by hand, the exam passed and failed item by item, cost without its clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from localnorm.lab.norms import NORMS, Norm, find_norm
from localnorm.lab.probes import cost, run_probe
from localnorm.lab.probes.flexibility import CHECKS, probe_flexibility
from localnorm.lab.probes.scope import OUTPUT, SHAPE, probe_scope
from localnorm.lab.records.record import Probe
from user_norms import Applied

pytestmark = pytest.mark.usefixtures("one_thread")


def _norm(function: Callable[[Tensor], Tensor]) -> Norm:
    return Norm("own", "", lambda num_channels, dims: Applied(function))  # noqa: ARG005


def _per_position(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x.movedim(1, -1), (x.shape[1],)).movedim(-1, 1)


# The output is that of sample 1 of 3, channel 13 of 32, position (2, 2) of 5 x 5.
BATCH, CHANNEL = slice(None), slice(13, 14)
REACH = {
    "none": ("itself", 1, CHANNEL, 1),
    "local": ("local neighbourhood", 1, slice(11, 16), 1),
    "local-learned": ("local neighbourhood", 1, slice(11, 16), 1),
    "user_norms:even_below": ("local neighbourhood", 1, slice(11, 15), 1),
    "user_norms:even_above": ("local neighbourhood", 1, slice(12, 16), 1),
    "batch": ("mini-batch", 3, CHANNEL, 25),
    "layer": ("single layer", 1, slice(0, 32), 25),
    "rms": ("single layer", 1, slice(0, 32), 25),
    "instance": ("one channel", 1, CHANNEL, 25),
    "group": ("group of channels", 1, slice(12, 16), 25),
    "user_norms:placebo": ("itself", 1, CHANNEL, 1),
}
FUNCTIONS = {
    "nothing": (lambda x: 0 * x, ("nothing", 0, slice(0, 0), 0)),
    "itself in float32": (lambda x: x.float().double(), ("itself", 1, CHANNEL, 1)),
    "3 x 3": (lambda x: nn.functional.avg_pool2d(x, 3, 1, 1), ("local neighbourhood", 1, CHANNEL, 9)),
    "every channel here": (_per_position, ("local neighbourhood", 1, slice(0, 32), 1)),
    "the sample before": (lambda x: x + x.roll(1, 0), ("mini-batch", 2, CHANNEL, 1)),
}


def _check_reach(norm: Norm, words: str, samples: int, channels: slice, positions: int):
    found = probe_scope([norm])[norm.name]
    offsets = [channels.start - 13, channels.stop - 1 - 13] if samples else []
    assert (found["reach"], found["samples"], found["positions"]) == (words, samples, positions)
    assert (found["channels"], found["offsets"]) == (channels.stop - channels.start, offsets)
    lines = [found["mask"][sample * SHAPE[1] : (sample + 1) * SHAPE[1]] for sample in range(SHAPE[0])]
    reached = [[line.count("1") for line in sample] for sample in lines]
    inside = [positions if c in range(32)[channels] else 0 for c in range(32)]
    assert reached.count(inside) >= samples
    assert sum(map(sum, reached)) == samples * sum(inside)
    if samples:
        assert lines[OUTPUT[0]][OUTPUT[1]][2 * 5 + 2] == "1"


@pytest.mark.parametrize("name", REACH)
def test_reach_of_a_norm(name: str):
    _check_reach(find_norm(name), *REACH[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_reach_of_a_function(name: str):
    function, reach = FUNCTIONS[name]
    _check_reach(_norm(function), *reach)


@pytest.mark.parametrize("n", [1, 3, 4, 7, 11, 99])
def test_reach_of_local_is_its_window(n: int):
    local = Norm("local", "", lambda num_channels, dims: NORMS["local"].make(num_channels, dims, n=n))
    _check_reach(
        local,
        "itself" if n == 1 else "local neighbourhood",
        1,
        slice(max(0, 13 - n // 2), min(32, 13 + n // 2 + 1)),
        1,
    )


NO_RANK_2 = "instance normalization needs positions"
FAILED = {
    "none": {},
    "local": {},
    "local-learned": {},
    "batch": {
        "batch of one, rank 2": "Expected more than 1 value per channel",
        "same in training and evaluation": "training and evaluation differ",
        "independent of the rest of the batch": "a sample's result depends on the others",
    },
    "layer": {},
    "instance": {
        "rank 2: (N, C)": NO_RANK_2,
        "batch of one, rank 2": NO_RANK_2,
        "keeps channels last": "the output is not channels last",
    },
    "group": {},
    "rms": {},
    "user_norms:placebo": {},
    "user_norms:shape_changer": {
        "rank 2: (N, C)": "the shape became (4, 31)",
        "rank 3: (N, C, L)": "the shape became (4, 31, 6)",
        "rank 4: (N, C, H, W)": "the shape became (4, 31, 5, 6)",
        "rank 5: (N, C, D, H, W)": "the shape became (4, 31, 3, 5, 6)",
        "batch of one": "the shape became (1, 31, 5, 6)",
        "batch of one, rank 2": "the shape became (1, 31)",
        "keeps channels last": "the output is not channels last",
    },
    "user_norms:refuses": dict.fromkeys(CHECKS, "no input of rank"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_norm_fails_these_items_and_no_other(name: str):
    exam = probe_flexibility([find_norm(name)])[name]
    assert list(exam) == list(CHECKS)
    problems = {item: problem for item, problem in exam.items() if problem is not None}
    assert problems.keys() == FAILED[name].keys()
    assert all(problem.startswith(FAILED[name][item]) for item, problem in problems.items())


@pytest.mark.parametrize(
    ("item", "function", "problem"),
    [
        ("rank 4: (N, C, H, W)", lambda x: x / 0, "not finite"),
        ("batch of one", lambda x: (x - x).sqrt(), "not finite"),
        ("variable length", lambda x: x[..., :7], "length 12 changed"),
        ("keeps channels last", lambda x: x.contiguous(), "the output is not channels last"),
        ("keeps channels last", lambda x: x * x.stride(1), "the result depends on the memory format"),
        ("bfloat16", lambda x: x.float(), "the dtype became torch.float32"),
        ("bfloat16", lambda x: x + 100 - 100, "differs from float32"),
        ("float16 with activations in the hundreds", lambda x: x * x / 400, "differs from float32"),
        ("torch.export", lambda x: x if x.sum() > 0 else -x, ""),  # torch's own words, which change
    ],
)
def test_every_item_can_be_failed(item: str, function: Callable[[Tensor], Tensor], problem: str):
    assert CHECKS.keys() > {item}
    found = probe_flexibility([_norm(function)])["own"][item]
    assert found is not None
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("none", 0.0), ("local", 1.0), ("user_norms:placebo", 0.0), ("user_norms:harm", 0.0)],
)
def test_cost_counts_kept_bytes_and_times_every_round(name: str, kept: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost, "SHAPE", (2, 16, 6, 5))
    found = cost.probe_cost([find_norm("rms"), find_norm(name)], rounds=3)
    assert found.keys() == {"rms", name, "shape"}
    assert found["shape"] == [2, 16, 6, 5]
    assert found[name]["kept_bytes"] == kept
    for norm in ("rms", name):
        assert len(found[norm]["copies"]) == len(found[norm]["images_per_second"]) == 3
        assert min(found[norm]["copies"] + found[norm]["images_per_second"]) > 0


def test_a_norm_that_refuses_does_not_keep_the_others_from_being_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost, "SHAPE", (2, 32, 6, 5))
    names = ("none", "user_norms:refuses", "user_norms:shape_changer", "user_norms:frozen")
    found = cost.probe_cost([find_norm(name) for name in names], rounds=1)
    assert found["user_norms:refuses"] == {"problem": "TypeError: no input of rank 4 here"}
    assert found["user_norms:shape_changer"].keys() == {"problem"}
    measured = {"copies", "kept_bytes", "images_per_second", "network_kept_bytes"}
    assert found["none"].keys() == found["user_norms:frozen"].keys() == measured


@pytest.mark.parametrize(
    ("function", "kept"),
    [
        (lambda x: x + 1, 0.0),
        (lambda x: x.exp(), 1.0),
        (lambda x: x.exp() * x, 2.0),
        (lambda x: x.view(-1).square().view(x.shape), 1.0),
    ],
)
def test_kept_bytes_are_those_of_distinct_memory(function: Callable[[Tensor], Tensor], kept: float):
    x = torch.ones(4, 8, requires_grad=True)
    assert cost._kept_bytes(lambda: function(x)) == kept * 4 * 8 * 4


def test_what_a_network_keeps_grows_by_what_its_norms_keep(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost, "SHAPE", (2, 32, 6, 5))
    names = ("none", "user_norms:placebo", "user_norms:harm", "local", "batch")
    found = cost.probe_cost([find_norm(name) for name in names], rounds=1)
    kept = {name: found[name]["network_kept_bytes"] for name in names}
    assert kept["none"] == kept["user_norms:placebo"]
    # In float32 a norm has 32 x 6 x 6 and 64 x 4 x 4 activations an image before it and as many behind it, which
    # without a norm are one. A division keeps nothing of its own, but the next layer keeps its result.
    layers = 4 * (32 * 6 * 6 + 64 * 4 * 4)
    assert kept["user_norms:harm"] == kept["none"] + layers
    # LRN keeps its input, which the relu keeps anyway; batch normalization also two statistics a channel.
    assert kept["local"] == kept["none"] + layers
    assert kept["batch"] == kept["none"] + layers + 2 * 4 * 96 / 32


def test_learned_values_add_their_own_bytes_to_what_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost, "SHAPE", (2, 16, 6, 5))
    kept = cost.probe_cost([find_norm("local-learned")], rounds=1)["local-learned"]["kept_bytes"]
    # The three values, and for each its exponential and the parameter it was made of: 8 bytes each at most.
    assert 1 < kept <= 1 + 9 * 8 / (4 * 2 * 16 * 6 * 5)


def test_rounds_take_turns_and_the_first_is_not_counted(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(100))
    order = []
    monkeypatch.setattr(cost, "_seconds", lambda run, _: (run(), next(clock))[1])
    runs = [lambda name=name: order.append(name) for name in "abc"]
    assert cost._rounds(runs[:1], runs[1:], 2, "cpu") == ([[3], [6]], [[4, 5], [7, 8]])
    assert "".join(order) == "abcabcabc"


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (Probe("scope", ("user_norms:refuses",)), "TypeError: no input of rank 4 here"),
        (Probe("flexibility", ("none", "lokal")), "UnknownNameError: a norm must be one of"),
    ],
)
def test_a_probe_that_fails_is_a_record_that_says_why(probe: Probe, message: str):
    record = run_probe(probe)
    assert (record.job, record.status, record.results) == (probe, "failed", {})
    assert record.message.startswith(message)
