package plugin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/internal/wire"
)

// handshakeNoise is the number of bytes that a plugin may print before its
// handshake line.
const handshakeNoise = 64 << 10

// readStdout finds the handshake line, also after other text such as a warning
// of a language runtime. It reads on to the end so that later output never
// blocks the plugin.
func (p *process) readStdout(r *os.File) {
	if p.read != nil {
		close(p.handshake)
		if p.readErr = p.read(untilDeadline{r}); p.readErr != nil {
			p.kill()
		}
		io.Copy(io.Discard, untilDeadline{r})
		return
	}
	in := bufio.NewReaderSize(untilDeadline{r}, 4096)
	var line []byte
	for noise := 0; noise < handshakeNoise; {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) < handshakeNoise {
			continue
		}
		if _, rest, ok := bytes.Cut(line, []byte{'|'}); ok && len(line) < 1024 && isNumber(line[:len(line)-len(rest)-1]) && bytes.Count(line, []byte{'|'}) >= 3 {
			p.mismatch = checkHandshake(string(bytes.TrimSpace(line)))
			p.handshake <- line
			break
		}
		noise += len(line)
		p.said.Write(line)
		line = line[:0]
		if noise >= handshakeNoise {
			p.noLine = fmt.Errorf("it prints %d KiB and more without a handshake line: want that line first", handshakeNoise>>10)
		}
		if err != nil && p.noLine == nil {
			p.noLine = errors.New("it closed its standard output without a handshake line: flush standard output after that line, before anything else is done to it")
		}
		if err != nil {
			break
		}
	}
	close(p.handshake)
	io.Copy(&p.said, in)
}

func isNumber(b []byte) bool {
	_, err := strconv.ParseUint(string(b), 10, 16)
	return err == nil
}

// checkHandshake returns an error if the host does not speak the versions in the
// handshake line.
func checkHandshake(line string) error {
	f := strings.Split(line, "|")
	if len(f) < 4 {
		return fmt.Errorf("%s is no handshake line", quote(line))
	}
	if f[0] != strconv.Itoa(wire.CoreProtocol) {
		return fmt.Errorf("the plugin speaks version %s of go-plugin's protocol, this host version %d: rebuild the older of the two", quote(f[0]), wire.CoreProtocol)
	}
	if f[1] != strconv.Itoa(wire.Protocol) {
		return fmt.Errorf("the plugin speaks ktstr.plugin version %s, this host version %d: rebuild the older of the two", quote(f[1]), wire.Protocol)
	}
	if len(f) < 5 || f[4] != "grpc" {
		return fmt.Errorf("the handshake line %s does not end in \"|grpc\": want gRPC", quote(line))
	}
	return nil
}

// PluginToHost refuses every address that is not a socket in the plugin's own
// directory. Otherwise a plugin could make the host dial /run/docker.sock.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != p.dir || filepath.Clean(address) != address {
		return "", "", fmt.Errorf("the plugin announces %s address %s: want a unix socket in its socket directory %s", quote(network), quote(address), p.dir)
	}
	info, err := os.Lstat(address)
	if err != nil {
		return "", "", err
	}
	if info.Mode().Type() != os.ModeSocket {
		return "", "", fmt.Errorf("the plugin announces %s, which is no socket", quote(address))
	}
	p.address = address
	return network, address, nil
}
