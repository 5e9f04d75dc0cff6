"""Where BCC's Python binding comes from: the distribution, under a name that differs."""

__all__ = ["INSTALL_BCC"]

# The package index has another project called bcc: pip cannot bring this one.
INSTALL_BCC = (
    "apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora) or"
    " zypper install python3-bcc (openSUSE);"
    " pipx and virtual environments need the distribution's own Python and --system-site-packages"
)
"""What to do if ``import bcc`` fails."""
