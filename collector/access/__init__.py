"""Who may look at what, and the log of who did. `nouns.may` alone decides who is shown what; the rules are pure."""
