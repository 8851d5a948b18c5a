"""Talkwalker, as its documentation and its captured traffic describe it."""
