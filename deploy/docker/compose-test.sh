#!/bin/sh
# Brings the compose pipeline up, waits until every uid that Teleport has is in
# the bucket, counts with nothing of ours (gzip, jq, sort, uniq), and takes it
# down. Skips, saying so, where no Docker engine answers.
set -eu
cd "$(dirname "$0")/../.."

EVENTS=${EVENTS:-2000}
export EVENTS
if ! docker info >/dev/null 2>&1; then
	echo "SKIP: no Docker engine answers"
	exit 0
fi
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose="docker-compose"; fi
compose="$compose -p sluice-test"

if ! docker image inspect "${GO_IMAGE:-golang:1.26-bookworm}" >/dev/null 2>&1 && ! docker pull -q "${GO_IMAGE:-golang:1.26-bookworm}" 2>/dev/null; then
	sh deploy/docker/base-images.sh
fi
GOPROXY=$(go env GOPROXY) GOSUMDB=$(go env GOSUMDB)
export GOPROXY GOSUMDB

down() { $compose down -v --remove-orphans >/dev/null 2>&1 || true; }
trap down EXIT
down
$compose build -q 2>/dev/null || $compose build
$compose up -d

# The bucket is a folder of the volume; tar takes it out without a shell inside.
count() {
	rm -rf "$out" && mkdir -p "$out"
	docker cp "$($compose ps -q s3):/data/audit-logs" "$out" >/dev/null 2>&1 || return 0
	find "$out" -name '*.gz' -exec gzip -dc {} + 2>/dev/null | jq -r .uid | sort | uniq -c >"$out/uids" || true
	wc -l <"$out/uids"
}
out=$(mktemp -d)
n=0
for _ in $(seq 60); do
	n=$(count)
	[ "${n:-0}" -ge "$EVENTS" ] && break
	sleep 2
done
doubled=$(awk '$1 > 1' "$out/uids" | wc -l)
echo "compose: $n of $EVENTS events in the bucket, $doubled doubled"
if [ "$n" -ne "$EVENTS" ] || [ "$doubled" -ne 0 ]; then
	$compose ps
	$compose logs --tail 30
	exit 1
fi
