"""The settings as the environment gives them, or every mistake in them at once."""

import os

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ingest.settings import Settings, no_json, unknown_names, wrong_settings
from ingest.storage.connection import connection_string
from ingest.words import translated, words


def settings_given() -> Settings:
    """The settings in the environment. Ends the command with every mistake in them."""
    mistakes = mistakes_in()
    settings = None if mistakes else settings_or_none()
    if settings is None:
        text = words("wrong settings, nothing was started:", "设置有误,未启动:")
        raise click.ClickException("\n".join([text, *map(translated, mistakes)]))
    return settings


def settings_or_none() -> Settings | None:
    """The settings in the environment; None where some are wrong."""
    try:
        settings = Settings()
        connection_string(settings.database.url.get_secret_value())
    except ValueError:  # pydantic's errors are such, and that of a connection string
        return None
    return settings


def mistakes_in() -> list[str]:
    """Every mistake in the environment's settings, one line each, in English, without what they were set to."""
    mistakes = unknown_names(os.environ)
    try:
        connection_string(Settings().database.url.get_secret_value())
    except ValidationError as error:
        mistakes += wrong_settings(error).splitlines()
    except SettingsError:
        mistakes += no_json(os.environ)
    except ValueError as error:  # waiting would not mend it, and every attempt would log it
        mistakes.append(f"METERWARDEN_DATABASE__URL: {error}")
    return mistakes
