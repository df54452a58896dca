# A small image without root and without a keyring. Build it, then give it an endpoint and a key:
#
#   docker build -t completions .
#   docker run --rm -i -e COMPLETIONS_ENDPOINT -e COMPLETIONS_API_KEY completions complete "Once upon a time"
#
# A batch, on the files of this folder and as their owner:
#
#   docker run --rm -i --user "$(id -u):$(id -g)" -v "$PWD:/work" \
#     -e COMPLETIONS_ENDPOINT -e COMPLETIONS_API_KEY completions batch rows.jsonl -o answers.jsonl
#
# Extras: --build-arg EXTRAS=parquet,zstd
FROM python:3.14-slim AS build
ARG EXTRAS=""
WORKDIR /source
COPY . .
RUN python -m venv --without-pip /opt/completions && \
    python -m pip --python /opt/completions/bin/python install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.14-slim
COPY --from=build /opt/completions /opt/completions
# HOME is a folder that any user may write to, for a container that runs with --user.
ENV PATH=/opt/completions/bin:$PATH HOME=/tmp COMPLETIONS_NO_KEYRING=1
WORKDIR /work
USER 65534:65534
ENTRYPOINT ["completions"]
CMD ["--help"]
