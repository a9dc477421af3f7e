"""The conformance suite for the Keras API, on the active backend."""

from __future__ import annotations

from conformance import Api, Case, check_forward, check_gradient
from conformance_cases import cases, edge_cases, every_dtype, sampled_cases, sampled_edge_cases
from edge_cases import EdgeCase
from keras_apis import KERAS


@sampled_cases
@every_dtype
@cases(KERAS)
def test_random_forward(api: Api, dtype: str, case: Case):
    x, _, spec = case.draw()
    check_forward(api, x, dtype, spec, case.axis)


@sampled_cases
@every_dtype
@cases(KERAS)
def test_random_gradient(api: Api, dtype: str, case: Case):
    x, grad, spec = case.draw()
    check_gradient(api, x, grad, dtype, spec, case.axis)


@sampled_edge_cases
@edge_cases(KERAS)
def test_edge_case_forward(api: Api, edge_case: EdgeCase, dtype: str):
    check_forward(api, edge_case.x(), dtype, edge_case.spec, edge_case.axis)


@sampled_edge_cases
@edge_cases(KERAS)
def test_edge_case_gradient(api: Api, edge_case: EdgeCase, dtype: str):
    check_gradient(api, edge_case.x(), edge_case.grad(), dtype, edge_case.spec, edge_case.axis)
