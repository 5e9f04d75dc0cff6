"""Tests of tracer."""
