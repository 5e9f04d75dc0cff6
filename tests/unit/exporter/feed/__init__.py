"""Tests of exporter.feed."""
