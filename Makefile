# Two commands do everything a newcomer needs: `make run` and `make test`.

GO         ?= go
GOFUMPT    := $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK:= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS    := -s -w -X main.version=$(VERSION)
# The race detector needs a C compiler; without one the tests run all the same.
RACE       := $(shell $(GO) env CC | xargs which >/dev/null 2>&1 && echo -race)
FUZZTIME   ?= 60s

.PHONY: run build test check bench bench-handler fuzz torture hostile soak docs compose-test clean

run: build          ## the whole pipeline on this machine: make run ARGS="--events 10000 --exit"
	@bin/quickstart $(ARGS)

build:              ## bin/relay, bin/handler, bin/quickstart: static binaries
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

test:               ## all tests; with the race detector where there is a C compiler
	@echo "go test $(if $(RACE),with,without) the race detector"
	$(GO) test $(RACE) ./...

check:              ## formatting, vet, staticcheck, floors, file sizes, generated pages
	@test -z "$$($(GOFUMPT) -l cmd internal)" || { echo "gofumpt would change:"; $(GOFUMPT) -l cmd internal; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) test -run 'TestFloors|TestFileSizes|TestReferencePages' ./internal/ ./internal/relayctl/

bench:              ## throughput and CPU beside a server that does nothing and one that only syncs
	$(GO) run ./internal/bench $(ARGS)

bench-handler: build ## the handler: one event a request and batches, over lines with a delay
	$(GO) run ./internal/bench -handler $(ARGS)

fuzz:               ## every fuzz target, FUZZTIME each
	@sh scripts/fuzz.sh $(FUZZTIME)

torture:            ## random kills, full disks, failing syncs, S3 outages; prints its seed
	SLUICE_HISTORIES=100000 SLUICE_TORTURE=5000 SLUICE_TORTURE_PROCESSES=20 $(GO) test -timeout 60m -run 'Model|Torture' ./internal/buffer/... ./internal/torture/...

soak: build         ## 1,000,000 events, relay and handler killed 50 times each, every uid counted: by searching, then in bulk
	bin/quickstart --dir sluice-soak --events 1000000 --exit --chaos --kills 50 --timeout 60m $(ARGS)
	bin/quickstart --dir sluice-soak --events 1000000 --exit --chaos --kills 50 --timeout 60m --bulk $(ARGS)

hostile:            ## fifteen attacks at full size on the real relay: memory, and what an established client sees
	SLUICE_HOSTILE=full $(GO) test -count=1 -timeout 20m -v -run Hostile ./internal/ingest

docs:               ## docs/reference from the declarations
	$(GO) run ./cmd/relay reference docs/reference

compose-test:       ## the same pipeline as containers, where a Docker engine runs
	@sh deploy/docker/compose-test.sh

clean:
	rm -rf bin sluice-data
