"""The settings as the environment gives them, or every mistake in them at once."""

import os

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ingest.settings import Settings, no_json, unknown_names, wrong_settings
from ingest.words import words


def settings_given() -> Settings:
    """The settings in the environment. Ends the command with every mistake in them."""
    mistakes = unknown_names(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        mistakes.append(wrong_settings(error))
    except SettingsError:
        mistakes += no_json(os.environ)
    if mistakes:
        raise click.ClickException("\n".join([words("wrong settings, nothing was started:", "设置有误,未启动:"), *mistakes]))
    return settings
