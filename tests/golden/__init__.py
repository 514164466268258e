"""Goldens: what every template and fixture looked like when somebody last looked at it."""
