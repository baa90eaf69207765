"""The servers that replicate from a target: who they are, how far they are behind, what they leave out."""
