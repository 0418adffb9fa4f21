"""Stateful stand-ins behind real HTTP, for the demo and for tests."""
