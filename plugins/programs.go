package plugins

// Program is a program whose output a stock extractor reads and that no stock payload
// runs, because it needs a server or preparation.
type Program struct {
	Name    string // of the executable
	Install string // the command that installs it on Debian
	Daemon  string // the service that Debian starts with it; empty: none
}

// Programs returns the programs without a payload, sorted by name.
func Programs() []Program {
	return []Program{
		{Name: "ab", Install: "apt-get install apache2-utils"},
		{Name: "h2load", Install: "apt-get install nghttp2-client"},
		{Name: "hyperfine", Install: "apt-get install hyperfine"},
		{Name: "iperf3", Install: "apt-get install iperf3"},
		{Name: "pgbench", Install: "apt-get install postgresql", Daemon: "postgresql"},
		{Name: "redis-benchmark", Install: "apt-get install redis-tools"},
		{Name: "sockperf", Install: "apt-get install sockperf"},
		{Name: "wrk", Install: "apt-get install wrk"},
	}
}
