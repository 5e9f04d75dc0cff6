"""What is true now, as one immutable snapshot, with its causes and advice in words."""
