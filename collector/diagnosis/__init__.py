"""Finds out what is wrong with a router from its records. Pure functions: no I/O, no clock of their own.

Rule 1: a finding rests on stored records and names them; what no record shows is not guessed.
Rule 2: nothing here acts on a router or a person, or makes a profile of one (O53, O54).
Rule 3: no data is not the same as no fault: silence is reported, never taken for health.
"""
