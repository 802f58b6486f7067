"""How a set-up ends early."""


class Failed(Exception):
    """Its message is what a person should read."""


class Ended(BaseException):
    """Somebody ended this process by a signal; like KeyboardInterrupt, nobody but main takes it."""

    def __init__(self, number):
        BaseException.__init__(self, number)
        self.number = number
