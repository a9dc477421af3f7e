"""The door of Keras takes the exam, on the backend that Keras runs on."""

from __future__ import annotations

from contract import Case, Door, check_forward, check_gradient
from hazards import Hazard
from keras_doors import KERAS
from test_contract import cases, every_dtype, hazards


@every_dtype
@cases(KERAS)
def test_random_forward(door: Door, dtype: str, case: Case):
    x, _, spec = case.draw()
    check_forward(door, x, dtype, spec, case.axis)


@every_dtype
@cases(KERAS)
def test_random_gradient(door: Door, dtype: str, case: Case):
    x, grad, spec = case.draw()
    check_gradient(door, x, grad, dtype, spec, case.axis)


@hazards(KERAS)
def test_hazard_forward(door: Door, hazard: Hazard, dtype: str):
    check_forward(door, hazard.x(), dtype, hazard.spec, hazard.axis)


@hazards(KERAS)
def test_hazard_gradient(door: Door, hazard: Hazard, dtype: str):
    check_gradient(door, hazard.x(), hazard.grad(), dtype, hazard.spec, hazard.axis)
