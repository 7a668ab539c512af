"""Text for people, in the language of their terminal: Chinese where LC_ALL, LC_MESSAGES or LANG says zh, else English."""

import os


def words(english: str, chinese: str) -> str:
    """One of two texts that say the same."""
    language = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return chinese if language.lower().startswith("zh") else english
