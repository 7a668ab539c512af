# The service; with `--target simulator` the simulator too. compose.yaml builds both; docs/deployment.md says the rest.
#
#   docker build --tag meterwarden:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# Base images are named by version. A digest pins them by content: look it up where you can reach the registry
# (docker buildx imagetools inspect python:3.11.13-slim-bookworm) and append @sha256:... to both lines. None is given here, since a
# digest that nobody has looked up would be a guess.
#
# A package index of your own: --secret id=pip,src=/etc/pip.conf; it stays out of the image.

FROM python:3.11.13-slim-bookworm AS source
WORKDIR /source
COPY . .

FROM source AS build
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    deploy/install /opt/meterwarden

FROM source AS build-simulator
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    deploy/install /opt/meterwarden simulator

FROM python:3.11.13-slim-bookworm AS base
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Meterwarden" \
      org.opencontainers.image.description="MQTT meter readings into TimescaleDB without losing or doubling one; institutions over their energy quota flagged" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nobody owns what is installed. The directories are where compose.yaml mounts volumes for the one-shots that prepare broker and database:
# a new volume takes over owner and mode from here. 1883 is the user of the broker's image, 70 that of the database's. openssl makes
# certificates there.
RUN groupadd --gid 10001 meterwarden \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin meterwarden \
 && install --directory --owner=1883 --group=1883 --mode=0755 /mosquitto/config /authority /ca \
 && install --directory --owner=70 --group=70 --mode=0755 /database/authority /database/tls /database/ca \
 && { openssl version || { apt-get update && apt-get install --yes --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*; }; }
ENV PATH=/opt/meterwarden/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
# Alive, not ready: who restarts what is unhealthy must not do so because the database is away.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 CMD ["python", "-m", "ingest.web.probe", "livez"]
ENTRYPOINT ["meterwarden"]
CMD ["run"]

FROM base AS simulator
COPY --from=build-simulator /opt/meterwarden /opt/meterwarden

# The last stage is what is built where no target is named.
FROM base AS service
COPY --from=build /opt/meterwarden /opt/meterwarden
