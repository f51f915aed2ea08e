#!/bin/sh
# generate.sh DIR: generate the Go code of the protocol into DIR (default: here).
# TestGenerated runs it and compares, so the versions stand here and nowhere else.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
tools=${KTSTR_PROTOC_TOOLS:-$(mktemp -d)}
[ -n "${KTSTR_PROTOC_TOOLS:-}" ] || trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH=$tools:$PATH protoc --proto_path=. \
	--go_out="$out" --go_opt=module=github.com/ktstr/ktstr/internal/wire \
	--go-grpc_out="$out" --go-grpc_opt=module=github.com/ktstr/ktstr/internal/wire \
	ktstr/plugin/v1/plugin.proto
