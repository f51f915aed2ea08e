package runs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ktstr/ktstr/core"
)

// Identity returns a text that is equal for two records exactly if they are of the same
// run. It is the record's id. Older builds wrote none. Their records are identified by
// their content, which includes the start time in nanoseconds.
func Identity(r core.Record) string {
	if r.ID != "" {
		return r.ID
	}
	r.Bundle = "" // a copy may be elsewhere
	text, err := json.Marshal(r)
	if err != nil {
		text = fmt.Append(nil, r.Payload, r.Start) // such a record was not read from JSON
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Distinct returns list without repetitions of a run, and the number of repetitions. A
// run is repeated, for example, if a bundle was copied, or if a file contains a record
// twice. Unreadable runs are kept.
func Distinct(list []Run) (distinct []Run, repeated int) {
	seen := make(map[string]bool, len(list))
	for _, r := range list {
		if r.Err == nil {
			id := Identity(r.Record)
			if seen[id] {
				repeated++
				continue
			}
			seen[id] = true
		}
		distinct = append(distinct, r)
	}
	return distinct, repeated
}

// Host returns the host of a run: the name by which a fleet knows it, or else the hostname. It
// tells hosts apart, for example two Slurm nodes on one machine.
func Host(r core.Record) string {
	if r.Where != nil && r.Where.Host != "" {
		return r.Where.Host
	}
	return r.Host.Name
}
