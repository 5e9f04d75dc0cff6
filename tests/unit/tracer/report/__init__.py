"""Tests of tracer.report."""
