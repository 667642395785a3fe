"""Hostile bytes for everything that reads bytes; `python -m tests.fuzz` makes new ones, the tests replay the corpus."""
