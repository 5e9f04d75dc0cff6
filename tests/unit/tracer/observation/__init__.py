"""Tests of tracer.observation."""
