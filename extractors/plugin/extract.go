package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/internal/wire"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Extract gives out to the plugin. If the plugin's process ends meanwhile, it is
// started once more and asked again. Errors are of type *Error.
func (p *Plugin) Extract(ctx context.Context, out ktstr.Output) (x ktstr.Extraction, err error) {
	defer func(began time.Time) {
		p.step("extract", began, err, "stream", out.Stream, "bytes", len(out.Data), "metrics", len(x.Metrics))
	}(time.Now())
	if p.table != nil {
		return p.table.Extract(ctx, out)
	}
	if p.config.Interface == Script {
		return p.extractByCommand(ctx, out)
	}
	s, err := p.session(ctx, nil)
	if err != nil {
		return ktstr.Extraction{}, err
	}
	rest := p.awaken()
	defer rest()
	x, err = s.extract(ctx, out)
	var e *Error
	if errors.As(err, &e) && e.Fault == Exited && ctx.Err() == nil {
		if s, err = p.session(ctx, s); err != nil {
			return ktstr.Extraction{}, err
		}
		x, err = s.extract(ctx, out)
		x.Diagnostics = append(x.Diagnostics, endedDiagnostic(e))
	}
	return x, err
}

// endedDiagnostic says that a plugin ended as e says, and that another process
// took its place.
func endedDiagnostic(e *Error) ktstr.Diagnostic {
	how := ""
	if e.Exit != "" {
		how = " (" + e.Exit + ")"
	}
	return ktstr.Diagnostic{Code: Restarted, Message: fmt.Sprintf("plugin %s ended while it read this%s, and was started once more", e.Plugin, how)}
}

// extractTimeout grows with the capture.
func (p *Plugin) extractTimeout(out ktstr.Output) time.Duration {
	return p.config.ExtractTimeout + time.Duration(len(out.Data)>>20)*time.Second
}

// extract is one call, without a second try.
func (s *session) extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	limit := s.plugin.extractTimeout(out)
	callCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var answer wire.Answer
	err := s.exchange(callCtx, out, &answer)
	var failed *wire.Failed
	var bad *badAnswer
	switch {
	case err == nil:
		return answer.Extraction(), nil
	case errors.As(err, &failed):
		fault := Failed
		if failed.Panicked {
			fault = Panicked
		}
		e := s.plugin.fail("extract", fault, s.process, failed)
		if !failed.Panicked {
			e.Stderr = nil // the message is the plugin's own explanation
		}
		return ktstr.Extraction{}, e
	case errors.As(err, &bad):
		return ktstr.Extraction{}, s.plugin.fail("extract", BadAnswer, s.process, bad.err)
	}
	return ktstr.Extraction{}, s.callError(ctx, "extract", limit, err)
}

type badAnswer struct{ err error }

func (b *badAnswer) Error() string { return b.err.Error() }

// exchange sends the capture while it receives the answer: a plugin may begin to
// answer before it has read everything.
func (s *session) exchange(ctx context.Context, out ktstr.Output, answer *wire.Answer) error {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := s.stub.Extract(ctx)
	if err != nil {
		cancel()
		return err
	}
	sent := make(chan struct{})
	defer func() { cancel(); <-sent }()
	send := func() {
		defer close(sent)
		// Send returns io.EOF for every failure. Recv returns the cause.
		if stream.Send(&wire.ExtractRequest{Part: &wire.ExtractRequest_Header{Header: wire.FromOutput(out)}}) != nil {
			return
		}
		for data := out.Data; len(data) > 0; {
			n := min(len(data), s.plugin.config.chunk())
			if stream.Send(&wire.ExtractRequest{Part: &wire.ExtractRequest_Data{Data: data[:n]}}) != nil {
				return
			}
			data = data[n:]
		}
		stream.CloseSend()
	}
	if len(out.Data) <= s.plugin.config.chunk() {
		send() // one message fits into the flow-control window, so that Send does not block
	} else {
		go send()
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if f := part.GetFailure(); f != nil {
			return &wire.Failed{Message: text.Line(f.GetMessage()), Panicked: f.GetPanicked()}
		}
		if err := answer.Add(part, proto.Size(part)); err != nil {
			return &badAnswer{err}
		}
	}
}

// callError turns a gRPC error into an Error with its cause. It kills a plugin
// that missed the deadline, because the state of that plugin is unknown.
func (s *session) callError(ctx context.Context, op string, limit time.Duration, err error) *Error {
	code := status.Code(err)
	refused := s.refused.Load()
	switch {
	case refused != nil:
		s.process.kill()
		<-s.process.exited
		return s.plugin.fail("start", CannotStart, s.process, *refused)
	case s.late.Load():
		code = codes.DeadlineExceeded
	}
	deadline, own := ctx.Deadline()
	switch {
	case ctx.Err() != nil:
		return s.plugin.fail(op, Hung, nil, ctx.Err())
	case code == codes.DeadlineExceeded && own && time.Until(deadline) < 100*time.Millisecond:
		// The caller's deadline, and not ours: the plugin's end of the connection keeps it
		// too, and may be ahead of ctx.
		return s.plugin.fail(op, Hung, nil, context.DeadlineExceeded)
	case code == codes.DeadlineExceeded:
		why := fmt.Errorf("no answer within %v", limit)
		if s.process.stopped() {
			why = fmt.Errorf("%w: it is stopped, by a signal that is not the host's", why)
		}
		s.process.kill()
		<-s.process.exited
		return s.plugin.fail(op, Hung, s.process, why)
	case code == codes.Unavailable && (s.process.awaitExit() || connectionLost(status.Convert(err).Message())):
		// The connection broke because the process ended, or is about to end.
		e := s.plugin.fail(op, Exited, s.process, nil)
		if e.Exit == "" {
			e.Err = errors.New("the host ended it")
		}
		return e
	}
	why := text.Line(status.Convert(err).Message())
	if !strings.HasPrefix(why, "grpc: ") { // the prefix of errors that our own end reports, for example for a message over the limit
		why = "answered " + codeName(code) + ": " + why
	}
	return s.plugin.fail(op, BadAnswer, s.process, errors.New(why))
}

// connectionLost reports whether the message of a status UNAVAILABLE is our own
// end's about a connection that broke, as google.golang.org/grpc puts it, and no
// answer.
func connectionLost(message string) bool {
	for _, own := range []string{"connection error: ", "error reading from server: ", "transport is closing", "the connection is draining"} {
		if strings.HasPrefix(message, own) {
			return true
		}
	}
	return false
}

// codeName is the name of a gRPC status as its specification and most languages
// write it: "INVALID_ARGUMENT".
func codeName(c codes.Code) string {
	names := [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("status %d", c)
}
