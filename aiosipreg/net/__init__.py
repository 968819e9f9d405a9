"""Sockets and DNS (floor 3): the only place that touches them."""
