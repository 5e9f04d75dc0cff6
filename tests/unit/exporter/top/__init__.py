"""Tests of exporter.top."""
