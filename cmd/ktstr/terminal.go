package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// output keeps the first error of its writer, so that a command whose output was lost
// does not end in a success. Later writes return the same error.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(b)
	o.err = err
	return n, err
}

// dieOfPipe ends this process by SIGPIPE if a write failed because the reader had left. It
// returns true if this is so and o is not a standard stream of the process.
func (o *output) dieOfPipe() bool {
	if !errors.Is(o.err, syscall.EPIPE) {
		return false
	}
	o.Writer.Write([]byte("\n")) // the Go runtime raises SIGPIPE for stdout and stderr
	return true
}

// surviveReader keeps ktstr alive if the reader of its output leaves, as in
// ktstr run … | head. Then the write fails, and run ends with exitBrokenPipe. Commands that
// change something use it to finish their work. Other commands end at the first write,
// like any Unix tool. The caller calls done at the end.
func surviveReader() (done func()) {
	// A caught signal has its default effect in child processes. An ignored signal would
	// stay ignored there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGPIPE)
	return func() { signal.Stop(caught) }
}

// terminal returns the width of the terminal w, or 0 if w is no terminal.
func terminal(w io.Writer) (columns int) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return 80
	}
	return columns
}

// steerable reports whether w is a terminal that understands control sequences. A terminal
// with TERM=dumb prints them.
func steerable(w io.Writer) bool { return terminal(w) > 0 && os.Getenv("TERM") != "dumb" }

// style colours text if it is true. Colour never carries a meaning alone.
type style bool

// styleOf returns the style for w: colours on a terminal, unless NO_COLOR is set
// (no-color.org).
func styleOf(w io.Writer) style { return style(steerable(w) && os.Getenv("NO_COLOR") == "") }

func (s style) paint(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) good(text string) string { return s.paint("32", text) }

func (s style) bad(text string) string { return s.paint("31", text) }

func (s style) dim(text string) string { return s.paint("2", text) }
