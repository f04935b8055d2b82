# Three small images of one build: relay, handler, and sim, the simulated Teleport
# cluster of docker-compose.yml. Static binaries, no shell, no root.
ARG GO_IMAGE=golang:1.26-bookworm

# An S3 server in Go, for the compose file only.
FROM ${GO_IMAGE} AS s3build
ARG GOPROXY
ARG GOSUMDB
ARG VERSITYGW=v1.8.0
ENV CGO_ENABLED=0
RUN go install github.com/versity/versitygw/cmd/versitygw@${VERSITYGW}

FROM scratch AS s3
COPY --from=s3build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=s3build /root/go/bin/versitygw /usr/local/bin/versitygw
ENTRYPOINT ["/usr/local/bin/versitygw"]

FROM ${GO_IMAGE} AS build
ARG GOPROXY
ARG GOSUMDB
ARG VERSION=dev
ENV CGO_ENABLED=0 GOFLAGS=-trimpath
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/...
# Folders that the images need, owned by the user who runs them.
RUN mkdir -p /root-fs/var/lib/relay /root-fs/var/lib/handler /root-fs/fluentd/etc /root-fs/fluentd/log /root-fs/keys /root-fs/tmp /root-fs/usr/local/bin \
 && cp /out/relay /out/handler /root-fs/usr/local/bin/ \
 && ln -s relay /root-fs/usr/local/bin/fluentd && ln -s handler /root-fs/usr/local/bin/teleport-event-handler \
 && chown -R 65532:65532 /root-fs/var /root-fs/fluentd /root-fs/keys /root-fs/tmp && chmod 1777 /root-fs/tmp

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /root-fs/ /
USER 65532:65532

FROM base AS sim
COPY --from=build /out/quickstart /usr/local/bin/quickstart
ENTRYPOINT ["/usr/local/bin/quickstart"]

FROM base AS handler
WORKDIR /var/lib/handler
ENTRYPOINT ["/usr/local/bin/handler"]

# The last stage is what `docker build .` makes.
FROM base AS relay
EXPOSE 8888 24224 24220
ENTRYPOINT ["/usr/local/bin/relay"]
CMD ["-c", "/fluentd/etc/fluent.conf"]
