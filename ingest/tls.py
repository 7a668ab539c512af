"""TLS towards the broker: how it is recognised, and we by it."""

import ssl

from ingest.settings import BrokerSettings


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """How the broker is recognised, and we by it; None: without TLS."""
    if settings.tls_ca_file is None:
        return None
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if settings.tls_certificate_file is not None:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    return context
