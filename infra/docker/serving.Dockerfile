# syntax=docker/dockerfile:1
# The prediction service alone: numpy, onnxruntime and a web server.
#     docker build -f infra/docker/serving.Dockerfile -t moe-serving:TAG .
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-serving.lock /tmp/
RUN python -m venv /opt/venv && /opt/venv/bin/pip install -r /tmp/requirements-serving.lock

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 moe && useradd --uid 10001 --gid moe --no-create-home --shell /usr/sbin/nologin moe
COPY --from=build /opt/venv /opt/venv
COPY serving/ /opt/moe/serving/
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SERVING_HOST=0.0.0.0
WORKDIR /opt/moe
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=2s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=1)"]
CMD ["python", "-m", "serving"]
