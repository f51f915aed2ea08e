# The commands of a developer. .ci/run runs the same.
GO         ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
PACKAGES    = fio stress-ng sysbench rt-tests ioping dbench mbw openssl iperf3 apache2-utils nghttp2-client wrk sockperf hyperfine protobuf-compiler python3-grpcio python3-protobuf gcc libc6-dev make jq openssh-server openssh-client linux-perf time $(if $(shell command -v kubectl),,kubernetes-client)

# vet, staticcheck, the plain tests and the executables that tests start have these flags too, so that each package is compiled once.
FLAGS = -trimpath -tags=grpcnotrace

.PHONY: all build test check race plain fuzz soak deps mutate bench clean

all: build

# A static executable runs on any host of the architecture and starts without a dynamic linker. grpcnotrace leaves out the
# traces of gRPC, which ktstr does not use, and their initialisation at each start. internal/testenv builds in the same way.
build: ## bin/ktstr and the stock plugins as executables of their own
	CGO_ENABLED=0 $(GO) build $(FLAGS) -o bin/ ./cmd/ktstr ./plugins/...

deps: ## what the tests need, from the distribution (root, Debian)
	scripts/deps $(PACKAGES)
	scripts/slurm-cluster fetch

test: deps check ## all of it
	$(MAKE) -j 2 --output-sync=target race plain

check: ## formatting, vet, staticcheck, tidy
	CGO_ENABLED=0 GOFLAGS="$(FLAGS)" scripts/check $(STATICCHECK)

# Where the race detector finds nothing: parsers, loaders, exports and statistics start no goroutine, and the tests of the command,
# of the examples and of the pages run built executables. It makes such tests several times slower.
PLAIN = $(shell $(GO) list ./cmd/ktstr . ./examples ./plugins/... ./sdk/... ./core/check ./core/payload ./core/unit \
	./extractors ./extractors/leaves ./extractors/lines ./extractors/table ./extractors/plugin/scaffold ./extractors/plugin/verify \
	./internal/bisect ./internal/compare ./internal/export ./internal/jsonscan ./internal/nearest ./internal/savedtext ./internal/text)
# The package that takes longest comes first. Its tests mostly wait, so that others run next to them.
RACE  = $(shell $(GO) list ./spawn) $(filter-out $(PLAIN) $(shell $(GO) list ./spawn),$(shell $(GO) list ./...))

# -parallel 4: many tests wait for a payload or a deadline, and the smallest machine has two CPUs. -vet=off: check has done it.
race: ## the tests of the engine, under the race detector
	$(GO) test -race -vet=off -parallel 4 -timeout 20m $(RACE)

plain: ## the other tests
	CGO_ENABLED=0 $(GO) test $(FLAGS) -vet=off -parallel 4 -timeout 20m $(PLAIN)

fuzz: ## every fuzz target, FUZZTIME each (default 1m)
	scripts/fuzz $(or $(FUZZTIME),1m)

soak: ## what is too long for CI: thousands of runs and kills, then every fuzz target, FUZZTIME each (default 10m)
	scripts/deps chromium python3-jsonschema postgresql redis-server zsh fish tcsh mksh busybox
	KTSTR_SOAK=1 $(GO) test -count 1 -timeout 0 -v -run 'Soak|ManyRunsLeaveNothing|AtAnyMoment|CtrlCDuringTheStart|EveryLoginShell|TestPlacement$$' ./spawn/... ./cmd/ktstr ./internal/export ./internal/fleet/... ./plugins
	$(GO) -C internal/export/page/browser test -count 1 -v .
	scripts/fuzz $(or $(FUZZTIME),10m)

mutate: ## whether the tests detect a break: MUTANTS changes of the source, one at a time (default 150, an hour)
	$(GO) run ./scripts/mutate -n $(or $(MUTANTS),150) -seed $(or $(SEED),1) ./core ./core/check ./core/extract ./spawn

bench: ## what bench/ measures; takes a while and wants a quiet machine
	@for b in bench/*/run; do echo "== $$b"; $$b || exit; done

clean:
	rm -rf bin
