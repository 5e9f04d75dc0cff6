"""What is true: readers of the kernel, /proc and resolv.conf, the ledger, the verdict, the snapshot."""
