"""Whole experiments, made of the verbs below them."""
