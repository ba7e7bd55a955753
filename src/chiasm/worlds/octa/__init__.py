"""Eyes seen by optical coherence tomography angiography."""
