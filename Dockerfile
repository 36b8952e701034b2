# Two images from one lock: `collector`, the sidecar, without anything it does not import, and
# `operator`, the controller, the injector and the command line.
#
#   docker build --target collector -t modelmonitor-collector .
#   docker build --target operator  -t modelmonitor-operator .
#
# Any base with Python 3.11 and its venv module will do.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# -- uv, from the package index like everything else -----------------------------------------------
FROM ${BASE_IMAGE} AS uv
ARG UV_VERSION=0.13.9
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/modelmonitor \
    UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir "uv==${UV_VERSION}" \
    && ln -s /opt/uv/bin/uv /usr/local/bin/uv \
    && uv venv --python "$(command -v python3)" /opt/modelmonitor
WORKDIR /src

# -- what is imported: changes with the lock only ---------------------------------------------------
# Images are pulled to every node, so the libraries' own tests stay behind, and of the sidecar what
# compilers need, and what draws or converts pictures: it only measures them.
FROM uv AS collector-dependencies
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project \
    && find /opt/modelmonitor -type d -name tests -prune -exec rm -r {} + \
    && find /opt/modelmonitor -type f \
        \( -name "*.pyi" -o -name "*.pyx" -o -name "*.pxd" -o -name "*.h" -o -name "*.c" -o -name "*.a" \) -delete \
    && cd /opt/modelmonitor/lib/python3*/site-packages \
    && rm -r cffi pycparser numpy/distutils numpy/f2py numpy/_core/_simd.*.so \
        PIL/_avif.*.so PIL/_imagingcms.*.so PIL/_imagingft.*.so PIL/_imagingtk.*.so \
        pillow.libs/libavif-* pillow.libs/libbrotli* pillow.libs/libfreetype-* pillow.libs/libharfbuzz-* \
        pillow.libs/liblcms2-* pillow.libs/libpng16-*

FROM uv AS operator-dependencies
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project --extra operator \
    && find /opt/modelmonitor -type d -name tests -prune -exec rm -r {} +

# -- our own code, in a folder of its own so that a change of it is one small layer -----------------
FROM uv AS code
COPY LICENSE README.md pyproject.toml ./
COPY operator operator
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --no-deps --python /opt/modelmonitor --target /opt/code .

FROM ${BASE_IMAGE} AS runtime
# Another user may run it as well: nothing below /opt needs to be owned, and nothing is written
# outside /tmp, so the root file system can be read-only.
ENV HOME=/tmp \
    PATH=/opt/code/bin:/opt/modelmonitor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/code \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["modelmonitor"]

FROM runtime AS collector-runtime
COPY --from=collector-dependencies /opt/modelmonitor /opt/modelmonitor

FROM runtime AS operator-runtime
COPY --from=operator-dependencies /opt/modelmonitor /opt/modelmonitor

FROM collector-runtime AS collector
COPY --from=code /opt/code /opt/code

FROM operator-runtime AS operator
COPY --from=code /opt/code /opt/code
