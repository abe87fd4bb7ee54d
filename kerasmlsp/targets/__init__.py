"""Inputs and targets that are made of data: word pairs, pretext tasks, boxes, the tokens of chorales."""
