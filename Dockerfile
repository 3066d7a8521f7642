# passwordless-auth: a Caddy of its own, in an image that holds nothing else.
#
#   docker build -t passwordless-auth .
#   docker run -p 3000:3000 -v auth-data:/data -e WEBAUTHN_ORIGIN=https://auth.example.com … passwordless-auth
#
# It serves plain HTTP on 3000 for the TLS proxy in front. The root file system may be
# read-only (--read-only): everything is written below /data.

FROM golang:1.26.10-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-trimpath -buildvcs=false -tags=nobadger,nomysql,nopgx"
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.3.0-dev
RUN go build -ldflags "-s -w -X main.version=${VERSION}" -o /out/passwordless-auth ./cmd/passwordless-auth \
	&& mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/passwordless-auth /usr/bin/passwordless-auth
# 65532 is nobody's number on a usual host; the folder is theirs before a volume covers it.
COPY --from=build --chown=65532:65532 /out/data /data

USER 65532:65532
WORKDIR /data
ENV HOME=/data XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config TMPDIR=/data \
	DATABASE_PATH=/data/auth.db
VOLUME /data
EXPOSE 3000
# No curl in here: the binary asks itself.
HEALTHCHECK --interval=30s --timeout=10s --retries=3 --start-period=40s CMD ["/usr/bin/passwordless-auth", "health"]
ENTRYPOINT ["/usr/bin/passwordless-auth"]
CMD ["serve"]
