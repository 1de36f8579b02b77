"""Comparing the states of the alert machine."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from alerts.core.machine import State


def assert_same_state(one: State, other: State) -> None:
    for field in fields(State):
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(other, field.name), err_msg=field.name
        )
