"""The proof that a lab's tests are fair and strong, from its answer bank: the author's side."""
