"""Readable source of the shipped docx templates: ``python -m templates.authoring`` writes them anew.

A template made by hand in Word or WPS is as welcome as one built here; these are built so that a change of
layout can be read as a diff.
"""
