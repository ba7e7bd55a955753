"""Evaluation: figures with intervals on synthetic and real data, baselines, and reports."""
