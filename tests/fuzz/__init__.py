"""A fuzzer of everything that reads what strangers write, with oracles that share no code with it. See README.md."""
