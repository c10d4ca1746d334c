"""What runs inside the cage: the zygote, and the first steps of each cell."""
