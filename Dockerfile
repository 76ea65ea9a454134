# One image for operator, router and simulated engines:  docker build -t signalbox .
#
# Without a network, from a directory of wheels (all that pyproject.toml and its build need):
#   docker build --build-context wheels=DIR --build-arg BASE=IMAGE -t signalbox .
ARG BASE=python:3.13-slim

# Empty unless --build-context puts a directory in its place: then nothing is asked of an index.
FROM scratch AS wheels

FROM ${BASE} AS build
RUN python3 -m venv /opt/signalbox
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY scripts/install scripts/compiled.py ./scripts/
RUN --mount=type=bind,from=wheels,target=/wheels scripts/install dependencies
COPY operator ./operator
COPY manifests/examples ./manifests/examples
RUN --mount=type=bind,from=wheels,target=/wheels scripts/install signalbox

FROM ${BASE}
LABEL org.opencontainers.image.title="signalbox" \
      org.opencontainers.image.description="Kubernetes operator and routers for model routing" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/signalbox /opt/signalbox
# Everything is compiled already, and the root file system may be read-only.
ENV PATH=/opt/signalbox/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["signalbox"]
