# A plain Caddy with the passwordless module from this checkout, for a Caddyfile
# of your own (see Caddyfile.example).
#
#   docker build -f xcaddy.Dockerfile -t caddy-passwordless .
#   docker run -p 80:80 -p 443:443 -p 443:443/udp -v caddy-data:/data -v ./Caddyfile:/etc/caddy/Caddyfile:ro caddy-passwordless

FROM golang:1.26.10-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make xcaddy && mkdir -m 0700 /out-data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /src/bin/caddy /usr/bin/caddy
COPY --from=build --chown=65532:65532 /out-data /data

# Ports 80 and 443 need no root in a container: Docker opens them to everybody
# inside (net.ipv4.ip_unprivileged_port_start=0).
USER 65532:65532
WORKDIR /data
ENV HOME=/data XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config TMPDIR=/data
VOLUME /data
EXPOSE 80 443 443/udp
ENTRYPOINT ["/usr/bin/caddy"]
CMD ["run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
