package access

// This architecture has no older forms.

func oldModeCalls() []form { return nil }

func oldOwnerCalls(uid, gid uintptr) []form { return nil }

func oldTimeCalls(times uintptr) []form { return nil }
