from collector.acks import NO_TOKEN, AckRing, Countdown, Settling, Token, complete_all  # noqa: F401
