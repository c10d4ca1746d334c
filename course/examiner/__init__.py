"""Tests that run in a trusted process of their own, with stand-ins for the student's objects.

A *line* joins two processes. At the trusted end, `session` asks for what a test needs of the student's notebook:
`standins` makes what comes back into objects, of classes from `mirrors`; `lent` says what the student's code may do with
the test's own objects; `waiting` joins the two event loops; `recording` holds what a run with the reference solution has
shown. At the other end, `student` does what is asked, with `theirs` and `printed`. Both use `wire`: frames, plain data
(`values`, `tables`), containers that both ends share (`containers`), and what both have by name (`shared_names`).

`desk` and `cellrun` run test cells in the trusted process; `kernel` is the student's; `helpers`, `seeds` and `network` carry
what a test does beside calling the student's code.
"""
