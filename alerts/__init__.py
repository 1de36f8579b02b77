"""Permit limits: the numpy core, the engine that feeds it, the delivery of notices."""
