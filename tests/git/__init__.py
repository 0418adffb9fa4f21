"""Tests of bot/git, against a real git over real HTTP."""
