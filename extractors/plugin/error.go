package plugin

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr/internal/wire"
)

// Fault is the kind of a plugin's failure.
type Fault string

// The faults.
const (
	Refused      Fault = "refused"      // not executed: hash, permissions, symlink, not in the lock
	CannotStart  Fault = "cannot start" // no process, or no handshake
	Incompatible Fault = "incompatible" // speaks another version of the protocol
	Exited       Fault = "exited"       // the process ended in the middle of a call
	Panicked     Fault = "panicked"     // the parser panicked, the process lives
	Hung         Fault = "hung"         // no answer before the deadline
	BadAnswer    Fault = "bad answer"   // the answer breaks the protocol: a metric without a name, beyond a limit
	Failed       Fault = "failed"       // the extractor's own error
	Closed       Fault = "closed"       // the Plugin was closed before the call
)

// Error describes the failure of a plugin.
type Error struct {
	Plugin string   // its name, empty if it is not known yet
	Path   string   // its executable, empty for a bundled plugin
	Op     string   // "start", "describe" or "extract"
	Fault  Fault    // kind of the failure
	Exit   string   // how the process ended ("exit status 3", "signal: killed"), empty while it lives
	Stderr []string // its last lines on standard error, oldest first, safe on a terminal
	Err    error    // the details

	noHandshake bool // it ended before it told how to reach it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("plugin " + cmp.Or(e.Plugin, e.Path, "of unknown name"))
	if e.Plugin != "" && e.Path != "" {
		fmt.Fprintf(&b, " (%s)", e.Path)
	}
	if e.Op != "start" || e.Fault != Refused && e.Fault != CannotStart { // which say so
		b.WriteString(": " + e.Op)
	}
	fmt.Fprintf(&b, ": %s", e.Fault)
	switch {
	case e.Err != nil && e.Exit != "":
		fmt.Fprintf(&b, ": %v (%s)", e.Err, e.Exit)
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	case e.Exit != "":
		fmt.Fprintf(&b, ": %s", e.Exit)
	}
	if len(e.Stderr) > 0 {
		b.WriteString("; its last lines on standard error:")
		for _, line := range e.Stderr {
			b.WriteString("\n\t" + line)
		}
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

var quote = wire.Quote
