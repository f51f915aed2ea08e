package access

import "golang.org/x/sys/unix"

func oldModeCalls() []form {
	return []form{func(o object) error { return call(unix.SYS_CHMOD, o.path, 0o600, 0) }}
}

func oldOwnerCalls(uid, gid uintptr) []form {
	return []form{
		func(o object) error { return call(unix.SYS_CHOWN, o.path, uid, gid) },
		func(o object) error { return call(unix.SYS_LCHOWN, o.path, uid, gid) },
	}
}

func oldTimeCalls(times uintptr) []form {
	return []form{
		func(o object) error { return call(unix.SYS_UTIME, o.path, times, 0) },
		func(o object) error { return call(unix.SYS_UTIMES, o.path, times, 0) },
		func(o object) error { return call(unix.SYS_FUTIMESAT, here, o.path, times) },
	}
}
