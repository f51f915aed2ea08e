// Package openfiles ends a process whose limit of open files (RLIMIT_NOFILE) is too low for ktstr, with a message and exit
// status 3. A program imports it for this effect only.
//
// The check is an init function because the init function of a dependency (protobuf) opens a file. With a limit of about 7
// the Go runtime would end the process there with a stack trace and status 2, which means a usage error. Go initialises a
// package as soon as its imports are initialised, in the order of the paths. This package comes before protobuf because of
// its path, and because it imports less: with fmt it comes after it.
package openfiles

import (
	"os"
	"syscall"
)

// A run with a plugin needs about 30 open files.
const (
	least   = 64
	message = "ktstr: the limit of open files (ulimit -n) is too low: want 64 or more: start ktstr from a program that has not lowered it\n"
)

func init() {
	var limit syscall.Rlimit
	// The os package has raised the soft limit to the hard limit.
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < least {
		os.Stderr.WriteString(message)
		os.Exit(3) // core.ExitRun
	}
}
