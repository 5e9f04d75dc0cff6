"""What /proc, cgroups, other roots and other daemons' files tell of processes."""
