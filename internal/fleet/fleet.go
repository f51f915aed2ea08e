// Package fleet makes the runs of one request on several hosts, and brings their bundles
// back. An Engine, such as Slurm or ssh, places one job on each host. On the host, our own
// executable makes the runs (Job) and hands them over (Attach).
//
// The output of a host is as untrusted as that of a plugin: every message has a size limit,
// text is made printable, and bundles are checked before they are kept.
package fleet

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"
)

// An Engine places jobs on hosts. Each engine is a package of its own.
type Engine interface {
	// Submit places one job on each host and does not wait for its start. A host that
	// cannot get a job is in the result, too: its Attach returns the reason. An error
	// means that no host has a job.
	Submit(ctx context.Context, job Order) ([]Host, error)
	// Reopen returns the hosts of an earlier Submit of the same job, given their handles.
	// If the client was killed during Submit, handles is empty, and Reopen finds the jobs
	// by the name of the order.
	Reopen(ctx context.Context, job Order, handles []Handle) ([]Host, error)
	// Starts reports whether the engine itself starts Job on the host, as a scheduler
	// does. Otherwise Attach on the host starts it.
	Starts() bool
}

// A Host is one host with one job. Its methods are called from one goroutine, except
// Cancel.
type Host interface {
	// Handle identifies the host and its job. The Name may be empty until the job runs.
	Handle() Handle
	// Attach waits until the job runs or has ended, puts the executable on the host if it
	// is missing there, and returns a connection to `ktstr _host-attach` for the job. It
	// calls note with each state of the wait, such as "queued (Resources)".
	//
	// After a connection broke, Attach is called again. The error is a *LostError if the
	// runs of the job cannot be had any more, for example because the node failed. The
	// connection ends with ctx.
	Attach(ctx context.Context, note func(state string)) (Conn, error)
	// Cancel ends the job with its grace, or takes it from the queue. It returns
	// errors.ErrUnsupported if only a message over the connection can do that.
	Cancel(ctx context.Context) error
}

// A Conn is the standard input and output of `ktstr _host-attach` on a host. Close ends it
// and returns what the program in between, such as ssh, said about its failure.
type Conn interface {
	io.ReadWriteCloser
}

// A Handle identifies the job on one host. It is kept for --resume.
type Handle struct {
	Name string `json:"name"`          // of the host, as its users know it, such as "n3"
	Job  string `json:"job,omitempty"` // as the engine knows it, such as "1742"
	// Labels are given to the runs of the host, besides their own.
	Labels map[string]string `json:"labels,omitempty"`
}

// An Order is what an Engine places on each host.
type Order struct {
	Name    string        // names the job, such as "set-20260102T030405Z-abcdef": letters, digits and -
	Request []byte        // for Job, one line of JSON
	Ktstr   File          // the executable for the host
	Limit   time.Duration // the longest time that the job can take; 0: not known
	Grace   time.Duration // between the request to stop and the kill
	Detach  bool          // the job outlives its connection
}

// A File is a file for the kit of a host: the directory with the files that ktstr put there
// once, each under the name of its SHA-256.
type File struct {
	Path   string `json:"path"` // on this host
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // in bytes
}

// KitDir is the directory of the kit, below the user's cache directory ($XDG_CACHE_HOME or
// ~/.cache).
const KitDir = "ktstr/kit"

// kitDir returns the directory of the kit on this host.
func kitDir() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, KitDir), err
}

// The hidden commands of our executable that run on the host:
//
//	ktstr _host-job NAME FILE MODE   Job
//	ktstr _host-attach NAME          Attach
const (
	JobVerb    = "_host-job"
	AttachVerb = "_host-attach"
)

// The last argument of JobVerb says what ends with the job, and what the job ends with.
const (
	Tied     = "tied"     // the job ends with the process that started it
	Detached = "detached" // the job outlives that process
	// Collect is for a scheduler, which ends the connections to a host with the job. The job
	// waits at its end for an attached client to collect the runs.
	Collect = "collect"
)

// A Request says which runs to make on a host.
type Request struct {
	Set      string            `json:"set"`                // the beginning of the names of the sets
	Args     []string          `json:"args"`               // of `ktstr run`
	Labels   map[string]string `json:"labels,omitempty"`   // of the runs, from the client
	Payloads map[string]string `json:"payloads,omitempty"` // payload files by file name, searched first
	Plugins  []Plugin          `json:"plugins,omitempty"`
	Lock     string            `json:"lock,omitempty"` // the text of the ktstr.lock; empty: there is none
}

// A Plugin is an extractor plugin in the kit.
type Plugin struct {
	Name string `json:"name"`
	Base string `json:"base"` // the name that the file has, such as "ktstr-plugin-x"
	File File   `json:"file"`
}

// Encode returns the request as one line of JSON.
func (r Request) Encode() ([]byte, error) { return json.Marshal(r) }
