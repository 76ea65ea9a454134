# One image for operator, router and simulated engines:  docker build -t signalbox .
#
# Without a network, from a directory of wheels (all that pyproject.toml, its extra `compiled` and its build need):
#   docker build --build-context wheels=DIR --build-arg BASE=IMAGE --build-arg BUILDER=IMAGE -t signalbox .
#
# The same sources on the same two images give the same files, to the byte.
ARG BASE=python:3.13-slim
# The same Python as in BASE, and a C compiler for the hot path. Without a compiler the image is made all the same, and
# all of it is Python.
ARG BUILDER=python:3.13

# Empty unless --build-context puts a directory in its place: then nothing is asked of an index.
FROM scratch AS wheels

FROM ${BUILDER} AS build
ARG SOURCE_DATE_EPOCH=1580601600
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv /opt/signalbox
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY scripts/install scripts/compiled.py scripts/sbom.py ./scripts/
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
