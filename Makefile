# What a person types; .ci/run types the same.
GO         ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
PACKAGES    = fio stress-ng protobuf-compiler python3-grpcio python3-protobuf gcc libc6-dev make jq

.PHONY: all build test check race fuzz fuzz-parsers deps mutate bench clean

all: build

# Static: runs on any host of the architecture, and has no dynamic linker to wait for at its start. grpcnotrace: without the
# traces of gRPC, which nobody looks at, there is less to initialise.
build: ## bin/ktstr and the stock plugins as executables of their own
	CGO_ENABLED=0 $(GO) build -trimpath -tags grpcnotrace -o bin/ ./cmd/ktstr ./plugins/...

deps: ## what the tests need, from the distribution (root, Debian)
	scripts/deps $(PACKAGES)

test: deps check race ## all of it

check: ## formatting, vet, staticcheck, tidy
	scripts/check $(STATICCHECK)

race: ## every test, under the race detector
	$(GO) test -race -timeout 20m ./...

fuzz: ## every fuzz target, FUZZTIME each (default 1m)
	scripts/fuzz $(or $(FUZZTIME),1m)

fuzz-parsers: ## those that read the output of benchmarks, as CI does
	scripts/fuzz $(or $(FUZZTIME),1m) extractors plugins/fio plugins/schbench plugins/stressng

mutate: ## whether the tests detect a break: MUTANTS changes of the source, one at a time (default 150, an hour)
	$(GO) run ./scripts/mutate -n $(or $(MUTANTS),150) -seed $(or $(SEED),1) ./core ./core/check ./core/extract ./spawn

bench: ## what bench/ measures; takes a while and wants a quiet machine
	@for b in bench/*/run; do echo "== $$b"; $$b || exit; done

clean:
	rm -rf bin
