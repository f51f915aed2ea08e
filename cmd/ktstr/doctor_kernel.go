package main

import "github.com/ktstr/ktstr/spawn"

// feature is a kernel feature that runs use, for example cgroup v2.
type feature struct {
	Name        string `json:"name"`
	Present     bool   `json:"present"`
	Detail      string `json:"detail"`
	Consequence string `json:"consequence,omitempty"` // of its absence
}

func examineKernel() []feature {
	var all []feature
	for _, f := range spawn.Features() {
		all = append(all, feature{f.Name, f.Present, f.Detail, f.Consequence})
	}
	return all
}

func kernelRows(features []feature) (rows [][3]string) {
	for _, f := range features {
		state, text := "present", f.Detail
		if !f.Present {
			state, text = "absent", f.Consequence+" ("+f.Detail+")"
		}
		rows = append(rows, [3]string{f.Name, state, text})
	}
	return rows
}
