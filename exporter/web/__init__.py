"""The web server: its pages, TLS and authentication."""
