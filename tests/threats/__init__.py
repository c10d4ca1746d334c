"""Hostile submissions by class of threat, each graded through the real pipeline beside victims."""
