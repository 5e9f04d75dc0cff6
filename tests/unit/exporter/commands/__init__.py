"""Tests of exporter.commands."""
