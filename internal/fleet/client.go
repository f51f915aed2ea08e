package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

// A Client makes the runs of one order on the hosts of an engine.
type Client struct {
	Engine string // its name, for the records, such as "slurm"
	Hosts  []Host
	Order  Order
	Kit    []File // of the request, without Order.Ktstr
	Starts bool   // as of the Engine
	Root   string // the directory of the bundles

	Resumed bool   // an earlier client may have started the jobs
	Saved   *Saved // is kept up to date; hosts that are done in it are left out

	// Note is called with each change of the state of a host, such as "queued" or a line
	// that ktstr printed there. The calls come from several goroutines, one at a time.
	Note func(host int, state string)

	mu sync.Mutex
}

// A Result is what one host gave. Every host has either runs or an Err, or both.
type Result struct {
	Handle
	Runs     []runs.Run
	Status   int      // exit status of ktstr run on the host
	Log      []string // the last lines that ktstr printed there
	Detached bool     // the job goes on, and its runs are collected later
	Stopped  bool     // the job was asked to end
	Earlier  bool     // an earlier client kept the runs, and Runs is empty
	Err      error    // why there are no runs, or fewer than wanted
}

// maxTalk limits the messages of a host on one connection, in bytes. Bundles do not count.
const maxTalk = 16 << 20

// maxLog is the number of lines in Result.Log.
const maxLog = 20

// Run follows the job on every host until it has ended, and keeps its runs. Each value of
// stop asks all jobs to end, the first one with their grace. The order of the results is
// that of c.Hosts.
func (c *Client) Run(ctx context.Context, stop <-chan os.Signal) []Result {
	results := make([]Result, len(c.Hosts))
	followers := make([]*follower, len(c.Hosts))
	var all sync.WaitGroup
	for i, h := range c.Hosts {
		f := &follower{client: c, host: h, at: i, result: &results[i], stops: make(chan struct{}, 2)}
		followers[i] = f
		if c.Saved.Hosts[i].Done {
			results[i] = Result{Handle: h.Handle(), Earlier: true}
			continue
		}
		all.Go(func() { f.run(ctx) })
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for {
		select {
		case <-stop:
			for _, f := range followers {
				select {
				case f.stops <- struct{}{}:
				default: // it was asked twice before
				}
			}
		case <-ended:
			return results
		}
	}
}

// Detached returns the results of jobs that are not followed.
func (c *Client) Detached() (results []Result) {
	for _, h := range c.Hosts {
		results = append(results, Result{Handle: h.Handle(), Detached: true})
	}
	return results
}

func (c *Client) note(host int, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Note != nil {
		c.Note(host, state)
	}
}

// A follower follows the job on one host.
type follower struct {
	client *Client
	host   Host
	at     int // index of the host
	result *Result
	stops  chan struct{}

	connected bool // at least once
	stopping  sync.WaitGroup

	mu     sync.Mutex
	to     *sender // of the connection; nil: there is none
	asked  int     // how often the job was asked to end
	cancel context.CancelFunc
}

// attempts is how often a follower connects to a host whose connection breaks.
const attempts = 3

func (f *follower) run(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(ctx)
	defer f.cancel()
	defer f.stopping.Wait()
	ended := make(chan struct{})
	defer close(ended)
	f.stopping.Go(func() {
		for {
			select {
			case <-f.stops:
				f.stop(ctx)
			case <-ended:
				return
			}
		}
	})
	var broken error
	for n := 1; ; n++ {
		err := f.attach(ctx)
		f.result.Handle = f.host.Handle()
		var cut *cutError
		if errors.As(err, &cut) && n < attempts && ctx.Err() == nil {
			broken = cut
			f.client.note(f.at, "connection lost, trying again")
			continue
		}
		switch {
		case err == nil:
			if broken != nil && f.result.Err == nil && f.result.Status != 0 {
				f.result.Err = fmt.Errorf("the connection was lost: %w", broken)
			}
		case broken != nil && !errors.As(err, &cut):
			f.result.Err = fmt.Errorf("%w (before that, the connection was lost: %w)", err, broken)
		default:
			f.result.Err = err
		}
		f.mu.Lock()
		f.result.Stopped = f.asked > 0
		f.mu.Unlock()
		f.client.save(f, errors.As(err, new(*LostError)))
		return
	}
}

// save writes down the handle of a host, and whether its result is final.
func (c *Client) save(f *follower, done bool) {
	c.Saved.set(f.at, f.host.Handle(), done)
	if err := c.Saved.Write(); err != nil {
		c.note(f.at, "--resume may not work: "+err.Error())
	}
}

// stop asks the job to end. If the engine takes it from the queue, Attach returns the reason.
func (f *follower) stop(ctx context.Context) {
	f.mu.Lock()
	to := f.to
	f.asked++
	asked := f.asked
	f.mu.Unlock()
	f.client.note(f.at, "asked to stop")
	err := f.host.Cancel(ctx)
	unsupported := errors.Is(err, errors.ErrUnsupported)
	switch {
	case to == nil && (unsupported || asked > 1) || asked > 2:
		f.cancel()
	case unsupported:
		// It waits while the host does not read, until the connection ends. An error also ends the conversation.
		f.stopping.Go(func() { to.send(message{Stop: true}) })
	case err != nil:
		f.client.note(f.at, err.Error())
	}
}

// A LostError says that the runs of a job cannot be had any more, for example because its
// node failed.
type LostError struct{ Err error }

func (e *LostError) Error() string { return e.Err.Error() }
func (e *LostError) Unwrap() error { return e.Err }

// A cutError says that the connection ended before the job.
type cutError struct{ err error }

func (e *cutError) Error() string { return e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// attach connects to the host, follows the job to its end, and keeps its runs.
func (f *follower) attach(ctx context.Context) error {
	c := f.client
	conn, err := f.host.Attach(ctx, func(state string) { c.note(f.at, state) })
	if err != nil {
		switch {
		case ctx.Err() == nil:
			return err
		case f.connected || c.Resumed: // the job may go on
			return fmt.Errorf("stopped: %w", err)
		}
		f.result.Status = core.ExitInterrupted
		return &LostError{errors.New("stopped before it began")}
	}
	c.save(f, false)
	f.connected = true
	err = f.converse(conn)
	said := conn.Close()
	if err == nil && f.result.Err != nil && said != nil {
		f.result.Err = fmt.Errorf("%w: %w", said, f.result.Err)
	}
	var refused *refusedError
	if err == nil || errors.As(err, &refused) || errors.Is(err, errProtocol) {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("it did not stop: the connection was ended, and its runs end if they see that")
	}
	if said != nil {
		err = said
	}
	return &cutError{err}
}

// A refusedError is an error that another connection would not mend.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func (f *follower) converse(conn Conn) error {
	c := f.client
	to := &sender{w: conn}
	begin := begin{Request: json.RawMessage(c.Order.Request), Kit: c.Kit, Start: !c.Starts, Detach: c.Order.Detach}
	if err := to.send(message{Begin: &begin}); err != nil {
		return err
	}
	f.mu.Lock()
	f.to = to
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.to = nil
		f.mu.Unlock()
	}()
	done := make(chan struct{})
	defer close(done)
	go beat(to, done)
	from := receiver{conn}
	var kept []runs.Run
	var brought bool
	for talk := 0; ; {
		m, size, err := from.receiveSized()
		if err != nil {
			return err
		}
		if talk += size; talk > maxTalk {
			return &refusedError{fmt.Errorf("it printed more than %d MiB of messages", maxTalk>>20)}
		}
		switch {
		case m.Error != "":
			return &refusedError{errors.New(m.Error[:min(len(m.Error), maxLine)])}
		case len(m.Need) > 0:
			if err := f.sendKit(to, m.Need); err != nil {
				return err
			}
		case m.Started && c.Order.Detach:
			f.result.Detached = true
			return nil
		case m.Line != "":
			f.log(m.Line[:min(len(m.Line), maxLine)])
		case m.Runs && !brought:
			brought = true
			data := from.data()
			if kept, err = c.keep(data, f.host.Handle()); err != nil {
				return err
			}
			// A tar has two blocks after the last file, and its writer may fill the last record.
			if n, err := io.Copy(io.Discard, io.LimitReader(data, 1<<20)); err != nil || n == 1<<20 {
				return cmp.Or(err, errProtocol)
			}
		case m.Runs || m.Started:
			return errProtocol
		case m.Exit != nil:
			f.result.Runs, f.result.Status = kept, m.Exit.Status
			switch {
			case m.Exit.Lost != "":
				f.result.Err = errors.New(m.Exit.Lost[:min(len(m.Exit.Lost), maxLine)])
			case m.Exit.Foreign:
				f.result.Err = errors.New("SIGTERM ended its last run, as at a time limit")
			}
			c.save(f, true)              // before the host removes its copy: the runs must not be made again
			to.send(message{Done: true}) // if it is lost, the host keeps a copy that nobody needs
			return nil
		}
	}
}

// beat tells the host every beatTime that this client is alive.
func beat(to *sender, done <-chan struct{}) {
	ticker := time.NewTicker(beatTime)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if to.send(message{Beat: true}) != nil {
				return
			}
		}
	}
}

// sendKit sends the files that the kit of the host lacks.
func (f *follower) sendKit(to *sender, need []string) error {
	f.client.note(f.at, "receives plugins")
	for _, hash := range need {
		file, ok := f.client.file(hash)
		if !ok {
			return &refusedError{errProtocol}
		}
		if err := to.data(message{File: &file}, func(w io.Writer) error { return copyFile(w, file) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) file(hash string) (File, bool) {
	for _, f := range c.Kit {
		if f.SHA256 == hash {
			return f, true
		}
	}
	return File{}, false
}

func (f *follower) log(line string) {
	f.result.Log = append(f.result.Log, line)
	if len(f.result.Log) > maxLog {
		f.result.Log = f.result.Log[1:]
	}
	f.client.note(f.at, line)
}
