"""Tests of the producer tools."""
