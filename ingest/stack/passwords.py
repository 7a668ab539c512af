"""Passwords as mosquitto 2 stores them."""

import base64
import hashlib
import secrets
from typing import Final

SALT_BYTES: Final = 12
"""The length mosquitto 2.0 expects."""
ITERATIONS: Final = 101
"""mosquitto's own default: a generated password needs no more."""


def hashed(password: str) -> str:
    """What stands in the password file behind `user:`: PBKDF2 over SHA-512, with a salt of its own.

    Computed here because mosquitto_passwd shows a password to `ps`, or cuts one with a colon short.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
