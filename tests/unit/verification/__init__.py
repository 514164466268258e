"""Tests of `service.verification`."""
