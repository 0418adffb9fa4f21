"""Observe, decide, act, report: one module for each kind of key."""
