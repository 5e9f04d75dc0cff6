"""The project on machines that have nothing yet: minimal Debian roots, and what the README says in them."""
