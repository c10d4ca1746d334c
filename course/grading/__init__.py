"""From submissions to feedback: the instructor's side."""
