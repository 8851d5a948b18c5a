"""Simulators of Talkwalker, X and Adobe, in one process of their own."""
