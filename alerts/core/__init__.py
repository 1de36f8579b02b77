"""Averages, limits and alerts as pure functions of arrays: no I/O, no clock."""
