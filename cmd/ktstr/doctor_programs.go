package main

import (
	"os/exec"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/plugins"
)

// program is a program that payloads need, for example fio, or whose output an extractor
// reads, for example pgbench.
type program struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`    // empty: not installed
	Version  string   `json:"version"` // empty: unknown
	Payloads []string `json:"payloads"`
	Install  string   `json:"install,omitempty"` // the command that installs it
	Daemon   string   `json:"daemon,omitempty"`  // the service that Debian starts with it
}

// listPrograms returns the programs without their versions.
func listPrograms(payloads []payload.Payload) []program {
	var programs []program
	for _, p := range payloads {
		for _, need := range needs(p) {
			programs = addProgram(programs, need, "", p.Name)
		}
	}
	return addReadPrograms(programs)
}

// addReadPrograms adds the programs that no payload needs and that an extractor reads.
func addReadPrograms(programs []program) []program {
	for _, p := range plugins.Programs() {
		at := slices.IndexFunc(programs, func(known program) bool { return known.Name == p.Name })
		if at < 0 {
			path, _ := exec.LookPath(p.Name)
			programs = append(programs, program{Name: p.Name, Path: path, Payloads: []string{}, Install: p.Install, Daemon: p.Daemon})
		}
	}
	return programs
}

func programRows(programs []program) (rows [][3]string) {
	for _, p := range programs {
		state := "ok"
		if p.Path == "" {
			state = "missing"
		}
		rows = append(rows, [3]string{p.Name, state, strings.TrimSpace(p.Path + " " + p.Version)})
	}
	return rows
}

// installCommands returns the commands that install the missing programs, one per line.
func installCommands(programs []program) string {
	var install []string
	for _, p := range programs {
		if p.Path == "" && p.Install != "" {
			command := "  " + p.Install
			if p.Daemon != "" {
				command += "    # Debian starts the service " + p.Daemon
			}
			install = append(install, command)
		}
	}
	return strings.Join(install, "\n")
}
