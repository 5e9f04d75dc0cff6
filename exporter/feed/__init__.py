"""The daemon's Unix socket: the server, the formats it sends, and the client in the commands."""
