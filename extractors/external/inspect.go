package external

// Pid is the process id of the plugin's current process; 0: it is a script,
// which has none between its calls.
func (p *Plugin) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.process.proc.Pid
}

// Restarts is how often the plugin's process ended and another one took its
// place.
func (p *Plugin) Restarts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashes
}

// Exit says how the process of a closed plugin ended: "exit status 0" where it
// went by itself when it was asked to, "signal: killed" where it did not. It is
// empty while the plugin is open.
func (p *Plugin) Exit() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || !p.closed {
		return ""
	}
	if s := p.current.process; s.ended() && s.state != nil {
		return s.state.String()
	}
	return ""
}
