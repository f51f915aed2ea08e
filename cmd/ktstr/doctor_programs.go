package main

import "strings"

// program is a program that payloads need, for example fio.
type program struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`    // empty: not installed
	Version  string   `json:"version"` // empty: unknown
	Payloads []string `json:"payloads"`
	Install  string   `json:"install,omitempty"` // the command that installs it
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
			install = append(install, "  "+p.Install)
		}
	}
	return strings.Join(install, "\n")
}
