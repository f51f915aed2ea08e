// Package deps holds requirements until the packages that use them land.
package deps

import (
	_ "al.essio.dev/pkg/shellescape"
	_ "github.com/agnivade/levenshtein"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/shlex"
	_ "github.com/hashicorp/go-hclog"
	_ "github.com/hashicorp/go-plugin"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/valyala/fastjson"
	_ "golang.org/x/net/bpf"
	_ "golang.org/x/perf/benchfmt"
	_ "golang.org/x/perf/benchmath"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "google.golang.org/grpc"
	_ "google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health"
	_ "google.golang.org/grpc/peer"
	_ "google.golang.org/protobuf/proto"
)
