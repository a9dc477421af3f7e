"""Arguments of tf.nn.lrn in the bytecode of eight Python releases, against the call that the lambda makes."""

from __future__ import annotations

import ast
import base64
import marshal
from types import SimpleNamespace

import pytest

from localnorm.legacy import bytecode
from localnorm.legacy.bytecode import LambdaCall, lambda_call
from make_old_keras import FOLDER

LINES = [line.split("\t") for line in (FOLDER / "lambdas.tsv").read_text().splitlines()[1:]]
NAMES = ("input", "depth_radius", "bias", "alpha", "beta", "name")
every_lambda = pytest.mark.parametrize(("release", "source", "text"), LINES)


def _call_in(source: str) -> dict[str, float] | None:
    """Return the arguments of the call by running the lambda with a tf that records it; None if it does more."""
    calls = []

    def record(*args, **kwargs):
        calls.append({**dict(zip(NAMES, args, strict=False)), **kwargs})
        return "output"

    tf = SimpleNamespace(nn=SimpleNamespace(lrn=record, local_response_normalization=record, relu=lambda x: [x]))
    try:
        result = eval(source, {"tf": tf})("input")  # noqa: S307  written here
    except (TypeError, NameError):
        return None
    if result != "output":
        return None
    return {name: value for name, value in calls[0].items() if name not in ("input", "name")}


@every_lambda
def test_arguments_of_a_plain_call(release: str, source: str, text: str):
    expected = _call_in(source) if release != "3.13" else None  # other numbers of instructions
    assert lambda_call([text, None, None]) == LambdaCall(expected)
    raw = base64.b64decode(text).decode("raw_unicode_escape")  # as Keras before 2.1 stored it
    assert lambda_call([raw, None, None]) == LambdaCall(expected)
    assert lambda_call({"class_name": "__lambda__", "config": {"code": text, "defaults": None}}) == LambdaCall(
        expected
    )


def test_the_lambdas_of_the_file_are_plain_calls_and_others():
    """Guards the test above."""
    understood = [_call_in(source) is not None for _, source, _ in LINES]
    assert 30 < sum(understood) < len(LINES) - 30


def test_the_file_holds_what_it_says():
    """Guards the file, by this release's own code."""
    for release, source, text in LINES:
        if release == "3.11":
            code = marshal.loads(base64.b64decode(text))  # noqa: S302  written here
            assert [type(node).__name__ for node in ast.walk(ast.parse(source))][1] == "Expr"
            assert code.co_argcount == 1
            assert "lrn" in code.co_names or "local_response_normalization" in code.co_names


@pytest.mark.parametrize("cut", range(0, 150, 5))
def test_a_cut_or_changed_code_is_not_understood_and_raises_nothing(cut: int):
    data = base64.b64decode(LINES[62][2])
    assert lambda_call([base64.b64encode(data[:-1][:cut] + b" lrn").decode() + "A" * 80, None, None]) in (
        LambdaCall(None),
        None,
    )
    changed = bytearray(data)
    changed[cut % len(data)] ^= 0x55
    assert isinstance(lambda_call([base64.b64encode(bytes(changed)).decode(), None, None]), LambdaCall | None)


def test_defaults_and_arguments_make_a_call_unknown():
    text = LINES[0][2]
    assert lambda_call([text, [5], None]) == LambdaCall(None)
    assert lambda_call([text, None, None], {"alpha": 1}) == LambdaCall(None)


@pytest.mark.parametrize(
    "function", [None, 5, [], [5], {}, {"config": 5}, "relu", ["4wAAAA==", None, None], {"config": None}]
)
def test_another_function_is_no_lrn(function: object):
    assert lambda_call(function) is None


@pytest.mark.parametrize(
    "function", ["lrn", "my_LocalResponseNorm", {"class_name": "function", "config": "lrn2d"}]
)
def test_a_function_known_by_name_alone_is_not_understood(function: object):
    assert lambda_call(function) == LambdaCall(None)


def test_the_module_can_not_load_code():
    assert not {"marshal", "types", "exec", "eval"} & vars(bytecode).keys()
