"""Pictures that explain what a student's code really did: requests, plans, names, calls, timelines and queues."""
