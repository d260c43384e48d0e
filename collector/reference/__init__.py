"""What is made from the code: JSON Schemas, reference pages, the example configuration.

Rule 1: the catalogue, the settings, the metrics and the drop reasons are declared once, in code or data; whatever
        describes them elsewhere is made here and compared by a test, so it cannot go stale.
Rule 2: the same sources give the same bytes.
"""
