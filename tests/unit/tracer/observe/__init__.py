"""Tests of tracer.observe."""
