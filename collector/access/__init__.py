"""Who may look at what, and the log of who did. The rules are pure; what is shown to whom is decided in `nouns.may`."""
