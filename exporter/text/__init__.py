"""What the commands print, for people and scripts."""
