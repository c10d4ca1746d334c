"""JupyterLab for students and instructors: launch, home, working copies, progress."""
