"""What goes wrong on command: the kinds of faults, how they are asked for, and which are at work."""
