package plugin

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
)

// firstUser begins the range of private users.
const firstUser = 0x70000000

// privateUser returns the number of an unused user and group for one plugin, or
// 0 if this process is not root. No distribution and no container manager
// assigns numbers of this range.
func privateUser() int {
	if os.Geteuid() != 0 {
		return 0
	}
	const bits = 0x00ffffff
	var b [4]byte
	rand.Read(b[:])
	if uid := firstUser + int(binary.LittleEndian.Uint32(b[:])&bits); allUsers() {
		return uid
	}
	return 0
}

// allUsers reports whether this process may become any user: in a container it
// may be root over a few only.
var allUsers = sync.OnceValue(func() bool {
	for _, path := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		var inside, outside, count uint64
		if _, err := fmt.Sscan(string(text), &inside, &outside, &count); err != nil || inside != 0 || count < 0x7fffffff {
			return false
		}
	}
	return true
})
