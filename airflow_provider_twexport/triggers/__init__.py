"""The sensors' questions, asked from the triggerer."""
