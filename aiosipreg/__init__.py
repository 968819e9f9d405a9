"""Keeps SIP accounts registered."""
