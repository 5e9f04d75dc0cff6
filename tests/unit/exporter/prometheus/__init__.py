"""Tests of exporter.prometheus."""
