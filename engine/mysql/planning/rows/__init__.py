"""What is asked of the rows at plan time: which SQL tells, within which time."""
