"""The class report: what a class knows, where it is stuck, and how good the exercises are."""
