"""Whose target it is: the fence, the named locks and the connections of one owner."""
