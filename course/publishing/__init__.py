"""From text to release: Markdown sources to notebooks that students get."""
