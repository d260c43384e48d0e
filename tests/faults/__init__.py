"""Random faults against the real collector and broker, judged by an oracle."""
