# fcgiemu with the site in /site:
#
#   docker build -t fcgiemu .
#   docker run --rm -it -v "$PWD:/site" -p 127.0.0.1:8000:8000 -p 127.0.0.1:8001:8001 fcgiemu
#   docker run --rm -v "$PWD:/site:ro" fcgiemu check
#
# docs/howto/docker.md says what differs from a run on your own machine.
FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl && useradd --create-home --uid 1000 dev
USER dev
WORKDIR /site
VOLUME /site
EXPOSE 8000 8001
ENTRYPOINT ["fcgiemu"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--ui", "--ui-host", "0.0.0.0", "--ui-port", "8001"]
