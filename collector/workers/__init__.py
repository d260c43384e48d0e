"""Several processes that share the work of one collector on one machine (docs/decisions/0022-many-workers.md)."""
