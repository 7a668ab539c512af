"""Meterwarden."""
