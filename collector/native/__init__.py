"""What is compiled: reading plain reports and writing their bodies (0041).

Rule 1: it knows no field and imports nothing of ours; `fields.shapes` tells it what reports and bodies may hold.
Rule 2: nothing depends on its being there: `formats.plain` goes without it, at two thirds of the speed.
"""
