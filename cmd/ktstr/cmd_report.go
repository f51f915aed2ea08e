package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// reportOptions are the flags of `ktstr report`.
type reportOptions struct {
	filter filterFlags
	out    string
	redact bool
	serve  bool
}

func (a *app) reportCommand() *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report [FILE.html]",
		Short: "Write a page with plots of kept runs, or serve it on this host",
		Long: `Write one HTML file with plots of the kept runs: every run as a point, the history of
each payload over its sets, the verdicts, the failures and the hosts. The file needs no
other file and no network. FILE - is stdout. The flags select runs as in ktstr runs list.

With --serve, ktstr serves the page instead, until Ctrl-C. It listens on 127.0.0.1 only,
and prints the address, which contains a secret token. Each load reads the runs anew.

To see one comparison, use: ktstr compare A B --export html=FILE`,
		Example: `  ktstr report report.html
  ktstr report nightly.html --payload fio-randread --since 30d
  ktstr report --serve --tag main`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case o.serve && len(args) > 0:
				return errors.New("report: --serve writes no file: leave the file out")
			case !o.serve && len(args) != 1:
				return errors.New("report: want one file, such as report.html, or --serve")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.serve {
				return a.serveReport(c.Context(), o)
			}
			return a.report(args[0], o)
		},
	}
	o.filter.add(c.Flags())
	outFlag(c.Flags(), &o.out)
	redactFlag(c.Flags(), &o.redact)
	c.Flags().BoolVar(&o.serve, "serve", false, "serve the page on 127.0.0.1 until Ctrl-C, and write no file")
	return c
}

// report writes the page to a file.
func (a *app) report(path string, o reportOptions) error {
	e := exports{files: []exportFile{{"html", path}}, redact: o.redact}
	if err := e.check(); err != nil {
		return err
	}
	s, unreadable, err := o.source()
	if err != nil {
		return err
	}
	if unreadable > 0 {
		a.notice(false)(count(unreadable, "run") + " left out, because the bundle cannot be read: see ktstr runs list -o json")
	}
	return a.writeExports(e, s)
}

// source returns the runs that the flags select, and the number of those that cannot be read. It
// returns an error if there are none.
func (o reportOptions) source() (s export.Source, unreadable int, err error) {
	store, err := openStore(o.out)
	if err != nil {
		return s, 0, err
	}
	list, err := store.List(o.filter.filter())
	if err != nil {
		return s, 0, err
	}
	var readable []runs.Run
	for _, r := range list {
		if r.Err == nil {
			readable = append(readable, r)
		}
	}
	if len(readable) == 0 {
		return s, 0, errors.New("no kept run matches: see ktstr runs list")
	}
	return export.Source{Runs: readable}, len(list) - len(readable), nil
}

// serveReport serves the page until Ctrl-C or SIGTERM, which is its normal end.
func (a *app) serveReport(ctx context.Context, o reportOptions) error {
	source := func() (export.Source, error) {
		s, _, err := o.source()
		if err == nil && o.redact {
			return export.Redact(s)
		}
		return s, err
	}
	if _, err := source(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return &exitError{core.ExitRun, err}
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	token := rand.Text()
	server := &http.Server{
		Handler:           export.Handler(token, []string{"127.0.0.1:" + port, "localhost:" + port}, source),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	if _, err := fmt.Fprintf(a.stdout, "http://127.0.0.1:%s/%s/\n", port, token); err != nil {
		listener.Close()
		return outputError(err)
	}
	ended := context.AfterFunc(ctx, func() { server.Close() })
	defer ended()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return &exitError{core.ExitRun, err}
	}
	return nil
}
