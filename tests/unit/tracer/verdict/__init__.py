"""Tests of tracer.verdict."""
