"""Errors of the demo, each in one sentence."""


class DemoError(Exception):
    """A sentence for the user: what is wrong and what to do about it."""


class ComponentError(DemoError):
    """A component ended or did not respond in time; the message contains the end of its log."""
