"""Displays: hold numbers, draw on demand."""
