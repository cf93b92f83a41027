"""The exercises of `minicnn exercise`: one file an exercise, listed in contents.py, and the files that check answers.

An answer is read in this order: worker.py calls the learner's functions in a process of their own, process.py waits for
that process, and judge.py compares the results with the naive twins in the exercise's file.
"""
