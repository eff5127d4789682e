# One image for all services, and for the isthmus command: compose/compose.yaml and deploy/ say which of them a container is.
# A Python of the minor version that the tests run with; the digest is that of the index for all architectures.
FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS base

FROM base AS build
# Debian keeps no earlier versions of its packages: none can be named. Nothing of it gets into the image.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -r /var/lib/apt/lists/*
WORKDIR /source
COPY requirements/uv.txt requirements/services.txt requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt \
    && uv venv --no-cache --python /usr/local/bin/python /opt/isthmus \
    && uv pip install --no-cache --python /opt/isthmus/bin/python --require-hashes -r requirements/services.txt
COPY compose/image/shrink compose/image/
RUN compose/image/shrink /opt/isthmus/lib/python3.11/site-packages
COPY compose/Caddyfile compose/
COPY compose/viewer/ compose/viewer/
COPY libs/ libs/
COPY services/ services/
# What is imported at the start is compiled, since nothing can be written later; what cannot be loaded fails here.
RUN uv pip install --no-cache --offline --no-deps --no-sources --python /opt/isthmus/bin/python ./libs/* ./services/* \
    && /opt/isthmus/bin/python -c "import isthmus.qido.app, isthmus.wado.app, isthmus.stow.app, isthmus.scp.worker, \
isthmus.dimse_scu.worker, isthmus.web_scu.worker, isthmus.arrivals.worker, isthmus.cli.main, \
_gdcm._gdcmswig, _CharLS, _openjpeg, rle"
# A volume that is mounted on one of these for the first time belongs to whom the folder belongs.
RUN umask 077 \
    && for reader in qido wado stow scp dimse-scu web-scu arrivals nats s3 gateway operator prometheus grafana; do \
        mkdir -p "/folders/secrets/$reader"; done \
    && for data in nats s3 viewer pacs prometheus grafana; do mkdir -p "/folders/volumes/$data"; done

FROM base
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Isthmus" \
      org.opencontainers.image.description="A gateway between DICOMweb and DIMSE, as event-driven services over NATS" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 isthmus \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin isthmus
COPY --from=build --chown=10001:10001 /folders/ /
COPY --from=build /opt/isthmus /opt/isthmus
ENV PATH=/opt/isthmus/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 8000 11112
CMD ["isthmus", "--help"]
