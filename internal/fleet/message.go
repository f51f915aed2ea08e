package fleet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A message goes between the client and Attach on a host. Exactly one field is set.
type message struct {
	// From the client.
	Begin *begin `json:"begin,omitempty"` // the first message
	File  *File  `json:"file,omitempty"`  // data follows
	Beat  bool   `json:"beat,omitempty"`  // the client is alive
	Stop  bool   `json:"stop,omitempty"`  // ends the job with its grace; the second one ends it at once
	Done  bool   `json:"done,omitempty"`  // the runs are kept: the host removes its copy

	// From the host.
	Need    []string `json:"need,omitempty"`    // SHA-256 of files that the kit lacks
	Started bool     `json:"started,omitempty"` // the answer to begin.Detach, after which the connection ends
	Line    string   `json:"line,omitempty"`    // that the job wrote on stderr
	Runs    bool     `json:"runs,omitempty"`    // data follows: a tar with the bundles
	Exit    *exit    `json:"exit,omitempty"`    // the last message
	Error   string   `json:"error,omitempty"`   // the last message: Attach failed
}

// begin starts a conversation.
type begin struct {
	Request json.RawMessage `json:"request"` // a Request
	Kit     []File          `json:"kit"`
	Start   bool            `json:"start"`  // the job, if it was never started
	Detach  bool            `json:"detach"` // the job outlives the connection
}

// exit says how a job ended.
type exit struct {
	Status int    `json:"status"`         // exit status of ktstr run
	Lost   string `json:"lost,omitempty"` // why there is no exit status, such as "it was killed"
	// Foreign says that the scheduler or another person interrupted the job. The job does not wait for a client then, because
	// a scheduler may want to start it again.
	Foreign bool `json:"foreign,omitempty"`
}

const (
	maxMessage = 8 << 20   // bytes of JSON
	maxData    = 256 << 10 // bytes of one piece of data
)

// Each piece on the connection has a header of 5 bytes: its kind, and its length in bytes
// as a big-endian number. The data that follows a message is cut into pieces. An empty one
// is its end.
const (
	kindMessage = 'M'
	kindData    = 'D'
)

// A sender writes messages. Its methods may be called from several goroutines, but the data
// of one message must not be interrupted by another message: see data.
type sender struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sender) send(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("a message of %d bytes: want at most %d", len(text), maxMessage)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.piece(kindMessage, text)
}

// data sends m and the data that write writes.
func (s *sender) data(m message, write func(io.Writer) error) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.piece(kindMessage, text); err != nil {
		return err
	}
	if err := write(pieces{s}); err != nil {
		return err
	}
	return s.piece(kindData, nil)
}

func (s *sender) piece(kind byte, b []byte) error {
	header := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(b)))
	_, err := s.w.Write(append(header, b...))
	return err
}

// pieces writes data in pieces.
type pieces struct{ s *sender }

func (p pieces) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), maxData)]
		if err := p.s.piece(kindData, part); err != nil {
			return n, err
		}
		n += len(part)
		b = b[len(part):]
	}
	return n, nil
}

// A receiver reads messages.
type receiver struct{ r io.Reader }

var errProtocol = errors.New("it does not speak the protocol of ktstr")

func (r receiver) header(want byte, limit uint32) (uint32, error) {
	var header [5]byte
	if _, err := io.ReadFull(r.r, header[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(header[1:])
	if header[0] != want || n > limit {
		return 0, errProtocol
	}
	return n, nil
}

// receive returns the next message. The error is io.EOF if the connection ended before it.
func (r receiver) receive() (message, error) {
	m, _, err := r.receiveSized()
	return m, err
}

// receiveSized is receive, and returns the size of the message with its header, in bytes.
func (r receiver) receiveSized() (m message, size int, err error) {
	n, err := r.header(kindMessage, maxMessage)
	if err != nil {
		return m, 0, err
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r.r, text); err != nil {
		return m, 0, unexpected(err)
	}
	if json.Unmarshal(text, &m) != nil {
		return m, 0, errProtocol
	}
	return m, 5 + len(text), nil
}

// data returns a reader of the data that follows a message.
func (r receiver) data() io.Reader { return &dataReader{r: r} }

type dataReader struct {
	r    receiver
	left uint32
	end  bool
}

func (d *dataReader) Read(b []byte) (int, error) {
	for d.left == 0 {
		if d.end {
			return 0, io.EOF
		}
		n, err := d.r.header(kindData, maxData)
		if err != nil {
			return 0, unexpected(err)
		}
		d.left, d.end = n, n == 0
	}
	n, err := d.r.r.Read(b[:min(uint32(len(b)), d.left)])
	d.left -= uint32(n)
	return n, unexpected(err)
}

// unexpected turns the end of the connection within a piece into an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
