#!/bin/sh
# Makes, on this machine, the base images that the Dockerfile names, for places
# where no registry can be reached: Debian's root from the package mirror, and
# beside it the Go toolchain that is installed here. Does nothing where the
# images are there already.
set -eu

SUITE=${SUITE:-bookworm}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
GO_IMAGE=${GO_IMAGE:-golang:1.26-bookworm}
GO_ROOT=${GO_ROOT:-$(go env GOROOT)}

if docker image inspect "$GO_IMAGE" >/dev/null 2>&1; then
	echo "base image $GO_IMAGE is there"
	exit 0
fi

if ! command -v debootstrap >/dev/null 2>&1; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase --include=ca-certificates,git "$SUITE" "$work/root" "$MIRROR" >"$work/log" 2>&1 || {
	tail -n 5 "$work/log" >&2
	exit 1
}
mkdir -p "$work/root/usr/local"
cp -a "$GO_ROOT" "$work/root/usr/local/go"
# What this machine trusts, a company's own proxy for one, the build must trust.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
	cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
fi
tar -C "$work/root" -c --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* . |
	docker import --change 'ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$GO_IMAGE" >/dev/null
echo "base image $GO_IMAGE made from Debian $SUITE and $("$GO_ROOT/bin/go" version | cut -d' ' -f3)"
