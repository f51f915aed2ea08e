package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/spawn"
)

// payloadState says whether a payload can run on this host.
type payloadState struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Problem string `json:"problem,omitempty"` // the reason if it is not ready
	Note    string `json:"note,omitempty"`    // an option that the installed version lacks
}

// examinePayloads returns the state of each payload, and the programs that the payloads
// need. It queries the version of each program once.
func examinePayloads(ctx context.Context, payloads []payload.Payload, broken []catalog.Broken, plugins []pluginState) ([]program, []payloadState) {
	var programs []program
	var abilities []payloadState
	var prober core.Prober
	faults := map[string]string{} // by extractor: the reason that it does not start, or ""
	for _, p := range plugins {
		faults[p.Name] = p.Error
	}
	for _, p := range payloads {
		state := payloadState{Name: p.Name, Ready: true}
		for i, need := range needs(p) {
			found, err := prober.Ask(ctx, need, i == 0 && p.AsksHelp())
			programs = addProgram(programs, need, found.Version, p.Name)
			if err == nil && i == 0 {
				_, state.Note, err = payload.Resolve(p, found)
			} else if err == nil {
				err = need.Enough(found.Version)
			}
			var start *spawn.StartError
			if errors.As(err, &start) && start.Reason == spawn.NotFound {
				err = fmt.Errorf("%s is not installed", need.Binary)
			}
			if err != nil && state.Ready {
				state.Ready, state.Problem = false, err.Error()
			}
		}
		name := cmp.Or(p.Extractor, "json")
		if fault, found := faults[name]; state.Ready && !found {
			state.Ready, state.Problem = false, fmt.Sprintf("extractor %s is not installed", name)
		} else if state.Ready && fault != "" {
			state.Ready, state.Problem = false, fmt.Sprintf("extractor %s does not start", name)
		}
		if !state.Ready {
			state.Note = ""
		}
		abilities = append(abilities, state)
	}
	for _, b := range broken {
		abilities = append(abilities, payloadState{Name: b.Name, Problem: b.Err.Error()})
	}
	return programs, abilities
}

// addProgram adds the program that a payload needs to the list, or the payload to the
// program if the list has it.
func addProgram(programs []program, need payload.Need, version, payload string) []program {
	i := slices.IndexFunc(programs, func(known program) bool { return known.Name == need.Binary })
	if i < 0 {
		i = len(programs)
		path, _ := exec.LookPath(need.Binary)
		programs = append(programs, program{Name: need.Binary, Path: path, Version: version})
	}
	programs[i].Payloads = append(programs[i].Payloads, payload)
	programs[i].Install = cmp.Or(programs[i].Install, need.Install)
	return programs
}

func payloadRows(abilities []payloadState) (rows [][3]string) {
	for _, p := range abilities {
		state := "ready"
		if !p.Ready {
			state = "not ready"
		}
		rows = append(rows, [3]string{cmp.Or(p.Name, "-"), state, p.Problem + p.Note})
	}
	return rows
}
