"""Tests of exporter.text."""
