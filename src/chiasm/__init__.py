"""Chiasm: where medical images and language cross."""

__version__ = "0.1.0"
