"""Adapters to the forges. One folder per forge, the same file names in each."""
