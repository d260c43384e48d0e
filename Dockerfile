# Install the packages in an environment, which is all that the final image takes from this stage.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md constraints.txt ./
COPY collector ./collector
COPY schemas ./schemas
COPY config ./config
# For what is compiled; the final image has no compiler.
# Its versions are pinned, too: the option of a command does not reach the environment that pip makes for it.
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
# The environment has no pip: the final image needs none.
RUN python3 -m venv --without-pip /opt/ueip \
 && python3 -m pip --python /opt/ueip/bin/python install --no-cache-dir --constraint constraints.txt '.[postgres,clickhouse,console]'

FROM python:3.11-slim
COPY --from=build /opt/ueip /opt/ueip
ENV PATH=/opt/ueip/bin:$PATH PYTHONUNBUFFERED=1
# As numbers, so that Kubernetes can see that the user is not root. It owns only the folder for the stores.
RUN mkdir -p /etc/ueip /var/lib/ueip && chown 10001:10001 /var/lib/ueip
USER 10001:10001
WORKDIR /var/lib/ueip
VOLUME /var/lib/ueip
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["ueip"]
CMD ["run", "--config", "/etc/ueip/collector.toml"]
