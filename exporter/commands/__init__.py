"""The subcommands, one file each: ``prepare_parser(parser)`` and ``run(args) -> int``, the exit status."""
