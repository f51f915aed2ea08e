package spawn

import (
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	firstBuffer = 64 << 10 // most payloads print less
	pipeBuffer  = 1 << 20  // size of a grown pipe; the most that an unprivileged user gets
	copyMost    = 2 << 20  // the most bytes that are copied out of a buffer that is mostly empty
)

// stream is the reading end of one of the child's two pipes, and the bytes that
// were read from it.
type stream struct {
	name   string
	fd     int // -1 after the end was seen or the stream was given up
	size   int // of the pipe
	grown  bool
	limit  int64
	tee    *os.File
	buf    []byte
	slot   *[]byte // the pooled buffer that buf is in
	total  int64
	ended  bool
	teeErr error // of the last write to it
}

// open makes the pipe and returns its writing end for the child.
func (s *stream) open() (int, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, err
	}
	// The other flags of a fresh pipe are known, so they are not read first.
	if _, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return -1, err
	}
	s.fd, s.size = p[0], 64<<10
	return p[1], nil
}

func (s *stream) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// grow enlarges the pipe, so that a burst between two reads does not block the
// payload. If the kernel refuses (the pipe pages of the user are used up), the
// pipe stays as it is.
func (s *stream) grow() {
	s.grown = true
	if n, err := unix.FcntlInt(uintptr(s.fd), unix.F_SETPIPE_SZ, pipeBuffer); err == nil {
		s.size = n
	}
}

// drain reads what is in the pipe, at most about budget bytes, without waiting.
// It returns the number of bytes. null is a descriptor of /dev/null.
func (s *stream) drain(budget int64, null int) int64 {
	var got int64
	for s.fd >= 0 && got < budget {
		n, want, err := s.read(null)
		if n > 0 {
			got += int64(n)
			s.total += int64(n)
			if n < want {
				break // the pipe was empty after this read
			}
			continue
		}
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return got
		default: // the end, or an error of a pipe, which ends it as well
			s.ended = err == nil
			s.close()
		}
	}
	return got
}

// read moves some bytes out of the pipe: into the buffer and the tee, or away.
func (s *stream) read(null int) (n, want int, err error) {
	if room := s.room(); room > 0 {
		want = room
		n, err = rawRead(s.fd, s.buf[len(s.buf):len(s.buf)+want])
		if n > 0 {
			s.buf = s.buf[:len(s.buf)+n]
			s.copyTo(s.buf[len(s.buf)-n:])
		}
		return n, want, err
	}
	if s.tee != nil && s.teeErr == nil {
		slot := getBuffer(firstBuffer)
		defer putBuffer(slot)
		b := (*slot)[:cap(*slot)]
		n, err = rawRead(s.fd, b)
		if n > 0 {
			s.copyTo(b[:n])
		}
		return n, len(b), err
	}
	// These bytes are dropped, so they are moved as pages and not copied.
	moved, err := unix.Splice(s.fd, nil, null, nil, pipeBuffer, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	return int(moved), pipeBuffer, err
}

// room makes room in the buffer and returns how much there is. 0 means that the
// limit is reached.
func (s *stream) room() int {
	left := s.limit - int64(len(s.buf))
	if left <= 0 {
		return 0
	}
	if len(s.buf) == cap(s.buf) {
		slot := getBuffer(int(min(s.limit, nextSize(cap(s.buf)))))
		next := append((*slot)[:0], s.buf...)
		s.recycle()
		s.slot, s.buf = slot, next
	}
	return int(min(left, int64(cap(s.buf)-len(s.buf))))
}

// nextSize is the buffer size after have. The steps are few, because each
// outgrown buffer is garbage, and the runtime collects it while the payload is
// measured. The untouched part of a large buffer costs no memory.
func nextSize(have int) int64 {
	switch {
	case have < firstBuffer:
		return firstBuffer
	case have < 1<<20:
		return 1 << 20
	}
	return max(DefaultLimit, 4*int64(have))
}

func (s *stream) copyTo(b []byte) {
	if s.tee == nil || s.teeErr != nil {
		return
	}
	_, s.teeErr = s.tee.Write(b)
}

// capture hands the bytes over. A few bytes in a large buffer are copied, so that
// a Result does not pin 16 MiB for a line of text. Many bytes are not copied,
// because the fresh pages of a copy cost more than reading the bytes did.
func (s *stream) capture() Capture {
	c := Capture{Bytes: s.total, Truncated: s.total > int64(len(s.buf)), Complete: s.ended}
	if len(s.buf) <= min(cap(s.buf)/2, copyMost) {
		if len(s.buf) > 0 {
			c.Data = slices.Clone(s.buf)
		}
		s.recycle()
		return c
	}
	c.Data, c.scratch = s.buf, s.slot
	s.buf, s.slot = nil, nil
	return c
}

func (s *stream) recycle() {
	if s.slot != nil {
		putBuffer(s.slot)
	}
	s.buf, s.slot = nil, nil
}

func (c *Capture) release() {
	if c.scratch != nil {
		putBuffer(c.scratch)
	}
	c.Data, c.scratch = nil, nil
}

// getBuffer returns an empty buffer for at least n bytes, a used one if there is
// one.
func getBuffer(n int) *[]byte {
	pool := &largeBuffers
	if n <= firstBuffer {
		pool, n = &smallBuffers, firstBuffer
	}
	if b, ok := pool.Get().(*[]byte); ok && cap(*b) >= n {
		return b
	}
	b := make([]byte, 0, n)
	return &b
}

func putBuffer(b *[]byte) {
	*b = (*b)[:0]
	if cap(*b) > firstBuffer {
		largeBuffers.Put(b)
		return
	}
	smallBuffers.Put(b)
}

// rawRead is read(2) on a descriptor that does not block. It does not notify the
// Go runtime, which would wake its monitor thread at several times the cost.
func rawRead(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
