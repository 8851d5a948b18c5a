"""The X enterprise APIs, as their documentation and their captured traffic describe them."""
