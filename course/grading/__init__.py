"""From submissions to feedback: grading, and the proof that it is fair."""
