"""Telling people what happened: messages and the channels that carry them."""
