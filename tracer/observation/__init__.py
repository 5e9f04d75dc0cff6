"""What was seen of the machine within a tick, read first and complete, for the ledger to enter."""
