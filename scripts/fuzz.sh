#!/bin/sh
# Runs every fuzz target for a while, one after the other: fuzz.sh 60s
# Making interesting inputs smaller is bounded: it may take a minute for each, in
# which nothing new is tried.
set -eu
time=${1:-60s}
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" 2>/dev/null | grep '^Fuzz' || true); do
		echo "fuzz $pkg $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x "$pkg"
	done
done
