"""Generators of Cases: each world grows, images and describes one modality."""
