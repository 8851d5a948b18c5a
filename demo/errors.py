"""What can go wrong with the demo, told in one sentence."""


class DemoError(Exception):
    """A sentence for the user: what is wrong and what to do about it."""


class ComponentError(DemoError):
    """A component died or did not answer in time; carries the end of its log."""
