"""Tests of tracer.resolvconf."""
