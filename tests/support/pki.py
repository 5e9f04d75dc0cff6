"""Certificates for tests: an authority, what it signed for a server and for a client, and a stranger's."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
# Python verifies strictly from 3.13 on (ssl.VERIFY_X509_STRICT): an authority says that it signs, the others are none.
_AUTHORITY = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
_NO_AUTHORITY = ["-addext", "basicConstraints=critical,CA:FALSE"]


def make(directory: Path) -> None:
    """Write NAME.crt and NAME.key for ca, stranger, server (127.0.0.1) and client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, cwd=directory, capture_output=True)

    for name in ("ca", "stranger"):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        openssl("req", "-x509", *_CURVE, *_AUTHORITY, "-subj", f"/CN={name}", *files)
    for name in ("server", "client"):
        extra = [*_NO_AUTHORITY, "-addext", "subjectAltName=IP:127.0.0.1"]
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key"]
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        openssl("req", "-x509", *_CURVE, *signed, *extra, "-subj", f"/CN={name}", *files)


def trusting(directory: Path, client: str = "") -> ssl.SSLContext:
    """Return what a client goes by that trusts the authority, and may have a certificate."""
    context = ssl.create_default_context(cafile=directory / "ca.crt")
    if client:
        context.load_cert_chain(directory / f"{client}.crt", directory / f"{client}.key")
    return context
