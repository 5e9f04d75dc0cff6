"""Tests of tracer.ledger."""
