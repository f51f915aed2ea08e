package plugin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"github.com/ktstr/ktstr/extractors/table"
	"github.com/ktstr/ktstr/internal/wire"
)

// readTable reads the plugin's table. It hashes the very text that it reads.
func (p *Plugin) readTable() error {
	const most = 5 << 20 // more than table.Parse accepts
	text, err := io.ReadAll(io.NewSectionReader(p.file, 0, most))
	if err != nil {
		return p.fail("start", CannotStart, nil, err)
	}
	sum := sha256.Sum256(text)
	if got := hex.EncodeToString(sum[:]); p.config.SHA256 != "" && !strings.EqualFold(got, p.config.SHA256) {
		return p.fail("start", Refused, nil, errors.New("it was changed while it was read: want a file that nobody writes"))
	}
	t, err := table.Parse(p.config.Path, bytes.Clone(text))
	if err != nil {
		return p.fail("describe", BadAnswer, nil, err)
	}
	d := t.Describe()
	if err := wire.CheckDescription(d); err != nil {
		return p.fail("describe", BadAnswer, nil, err)
	}
	if err := p.checkIdentity(d); err != nil {
		return p.fail("describe", BadAnswer, nil, err)
	}
	p.table, p.description, p.config.Interface = t, d, Table
	return nil
}

// Table returns the plugin's table. It is nil if the plugin is an executable.
func (p *Plugin) Table() *table.Plugin { return p.table }
