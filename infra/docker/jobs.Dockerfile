# syntax=docker/dockerfile:1
# Everything but serving: nights, training, Airflow's components, MLflow's server.
#     docker build -f infra/docker/jobs.Dockerfile -t moe-jobs:TAG .
# torch comes with CUDA from the registry, for GPU nodes; elsewhere it runs on CPU.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock infra/docker/requirements-kubernetes.lock /tmp/
RUN python -m venv /opt/venv \
  && /opt/venv/bin/pip install -r /tmp/requirements.lock -r /tmp/requirements-kubernetes.lock

FROM python:3.11-slim-bookworm
# Debian's point releases move: the version of Java that counts is its major one.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends openjdk-17-jre-headless tini \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 moe \
  && useradd --uid 10001 --gid moe --no-create-home --shell /usr/sbin/nologin moe
COPY --from=build /opt/venv /opt/venv
# What of the project goes in is listed in .dockerignore, which leaves out everything else.
COPY . /opt/moe/
# The project's own folder is where its settings look for contracts, mappings and units: an editable install.
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e /opt/moe
ENV PATH=/opt/venv/bin:$PATH JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64 PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1 HOME=/tmp MOE_HOME=/store
WORKDIR /opt/moe
USER 10001:10001
# A job ends by itself; what serves is watched by its orchestrator.
HEALTHCHECK NONE
ENTRYPOINT ["tini", "--"]
CMD ["moe", "--help"]
